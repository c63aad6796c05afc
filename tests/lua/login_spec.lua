-- Who the user is, against real servers: the function that is asked at each attempt, keys and JWTs, and what a
-- connection tells of its TLS.
local helper = require "helper"
local nats = require "natskit"
local testing = helper.testing

local PASSWORD, OTHER = "pw-Marker-7f3a", "pw-Marker-7f3a-2"
local RIGHT = { user = "alice", password = PASSWORD }
local USERS = ('authorization { users = [ { user: "alice", password: "%s" } ] }'):format(PASSWORD)

local wallet = testing.wallet()

-- The options of RIGHT and more.
local function with(more)
    local options = {}
    for _, part in ipairs { RIGHT, more } do
        for name, value in pairs(part) do
            options[name] = value
        end
    end
    return options
end

local function works(nc)
    local sub = assert(nc:subscribe("works"))
    assert(nc:publish("works", "yes"))
    assert.are.equal("yes", assert(sub:next(10)).data)
    sub:close()
end

-- Connects, uses the connection and closes it.
local function connects(options, url)
    local nc = helper.connect(options, url)
    works(nc)
    nc:close()
end

-- Errors that are told while `fn` runs.
local function told(fn)
    local errors = {}
    nats.on_handler_error(function(err, owner)
        errors[#errors + 1] = { text = tostring(err), owner = tostring(owner) }
    end)
    local good, why = pcall(fn)
    nats.on_handler_error(nil)
    assert(good, why)
    return errors
end

local function read(name)
    local file = assert(io.open(name))
    local text = file:read("a")
    file:close()
    return text
end

-- The path of one of its files.
local function path(name)
    return wallet.dir .. "/" .. name
end

describe("auth", function()
    setup(function()
        helper.start({ extra = USERS, jetstream = false })
    end)
    teardown(helper.stop)
    after_each(helper.nothing_left)

    it("is asked, and its answer taken", function()
        local asked = {}
        local took, nc = helper.timed(helper.connect, {
            auth = function(event)
                asked[#asked + 1] = { event.kind, event.type, event.server, event.nonce, math.type(event.request) }
                return RIGHT
            end,
        })
        works(nc)
        nc:close()
        assert.are.same({ { "event", "auth_needed", helper.url, nil, "integer" } }, asked)
        assert.are.equal(nil, asked[1][4])
        for _ = 1, 20 do -- a busy machine is slow now and then, not always
            if took < 0.09 then
                break
            end
            took, nc = helper.timed(helper.connect, { auth = function() return RIGHT end })
            nc:close()
        end
        assert.is_true(took < 0.09, "it is asked at once, not after a slice of 100 ms")
    end)

    it("may give a wrong answer, which wins over what is configured", function()
        local result, message, code = nats.connect(helper.url, with({
            auth = function()
                return { password = OTHER }
            end,
        }))
        assert.is_nil(result)
        assert.are.equal("auth", code)
        assert.is_nil(message:find(PASSWORD, 1, true))
    end)

    it("leaves the rest as configured", function()
        connects({
            user = "alice", password = "wrong",
            auth = function()
                return { password = PASSWORD }
            end,
        })
    end)

    it("may give nothing", function()
        local function nothing() end
        connects(with({ auth = nothing, answer_timeout = 60 }))
        helper.fails("auth", nats.connect(helper.url, { auth = nothing, answer_timeout = 60 }))
    end)

    it("is told of its errors, and what is configured counts at once", function()
        local function answer(result)
            return function()
                return result
            end
        end
        local cases = {
            { function() error("deliberate") end, "deliberate" },
            { function() error({}) end, "table:" },
            { answer(5), "table of credentials expected, got number" },
            { answer({ password = 5 }), "option 'password': string expected, got number" },
            { answer({ signature = true }), "option 'signature': string expected, got boolean" },
            { answer({ passwort = "x" }), 'did you mean "password"' },
            { answer({ password = "line\r\nbreak" }), "option password" },
            { answer({ nkey_seed = "SUAnonsense" }), "result of auth" },
            { answer({ creds = "nonsense" }), "result of auth" },
            { answer({ "alice" }), "name expected as key" },
            { function() coroutine.yield() end, "yield" },
        }
        for i, case in ipairs(cases) do
            local errors = told(function()
                connects(with({ auth = case[1], answer_timeout = 60 }))
            end)
            assert.are.equal(1, #errors, i)
            assert.truthy(errors[1].text:find(case[2], 1, true), errors[1].text)
            assert.truthy(errors[1].owner:find("^natskit.conn"), errors[1].owner)
            assert.is_nil(errors[1].text:find("SUAnonsense", 1, true))
        end
    end)

    it("writes its errors to stderr if nobody takes them", function()
        local output, exit = helper.child([[
            local nc = assert(nats.connect(url, {
                user = "alice", password = "pw-Marker-7f3a", auth = function() error("deliberate") end,
            }))
            print(nc:info().state)
            nc:close()
        ]])
        assert.are.equal(0, exit, output)
        assert.truthy(output:find("deliberate", 1, true), output)
        assert.truthy(output:find("connected\n", 1, true), output)
    end)

    it("ends with Ctrl-C of lua", function()
        local output, exit = helper.child([[
            interrupt_soon()
            nats.connect(url, { answer_timeout = 60, auth = function() while true do end end }, 60)
            print("went on")
        ]])
        assert.truthy(output:find("interrupted!", 1, true), output)
        assert.is_nil(output:find("went on", 1, true), output)
        assert.are_not.equal(0, exit)
    end)

    it("may take its time", function()
        connects({
            answer_timeout = 30,
            auth = function()
                helper.sleep(0.3)
                return RIGHT
            end,
        })
    end)

    it("may take too long: then what is configured counts", function()
        local calls = 0
        local errors = told(function()
            connects(with({
                answer_timeout = 0.03,
                auth = function()
                    calls = calls + 1
                    helper.sleep(0.3)
                    return { user = "nobody" }
                end,
            }))
        end)
        assert.are.equal(0, #errors)
        assert.are.equal(1, calls)
    end)

    it("may wait itself, and use other connections", function()
        local other = helper.connect(RIGHT)
        connects({
            answer_timeout = 30,
            auth = function()
                works(other)
                return RIGHT
            end,
        })
        other:close()
    end)

    it("has to be a function", function()
        helper.raises("option 'auth': function expected, got table", nats.connect, helper.url, { auth = RIGHT })
    end)

    it("can be the program's own work", function()
        local nc = helper.connect({ ask_auth = true, first_connect = "background", answer_timeout = 60 })
        local plain, events = assert(nc:events()), assert(nc:events({ answers = true }))
        local event
        repeat
            event = assert(events:next(10))
        until event.type == "auth_needed"
        helper.raises("table of credentials expected", nc.answer_auth, nc, event, 5)
        helper.raises("delay_needed", nc.answer_delay, nc, event, 1)
        helper.raises("natskit.msg expected", nc.answer_auth, nc, event.request, RIGHT)
        helper.fails("credentials", nc:answer_auth(event, { nkey_seed = "x" }))
        assert.is_true(nc:answer_auth(event, RIGHT))
        helper.fails("not_found", nc:answer_auth(event, RIGHT))
        helper.eventually(function()
            return nc:info().state == "connected"
        end)
        helper.raises("auth_needed", nc.answer_auth, nc, assert(plain:next(5)), RIGHT)
        works(nc)
        nc:close()
        helper.fails("closed", nc:answer_auth(event))
        plain:close()
        events:close()
    end)

    it("keeps neither connection nor function alive", function()
        local alive = setmetatable({}, { __mode = "v" })
        do
            local nc
            local function auth()
                return nc or RIGHT
            end
            nc = helper.connect({ auth = auth })
            alive[1], alive[2] = nc, auth
        end
        helper.nothing_left()
        collectgarbage()
        assert.is_nil(alive[1])
        assert.is_nil(alive[2])
    end)

    it("shows no secrets", function()
        local shown = {}
        local errors = told(function()
            local nc = helper.connect({
                auth = function(event)
                    shown[#shown + 1] = tostring(event) .. tostring(event.text) .. event.server
                    return { nkey_seed = wallet:text("slip.seed") }
                end,
            }, (helper.url:gsub("://", "://alice:" .. PASSWORD .. "@")))
            shown[#shown + 1] = tostring(nc) .. nc:server_info()
            for name, value in pairs(nc:info()) do
                shown[#shown + 1] = name .. tostring(value)
            end
            nc:close()
        end)
        shown[#shown + 1] = errors[1].text
        shown[#shown + 1] = select(2, nats.connect(helper.url, { user = "alice", password = OTHER }))
        shown[#shown + 1] = select(2, pcall(nats.connect, helper.url, { password = OTHER .. "\n" }))
        assert.are.equal(1, #errors)
        for _, text in ipairs(shown) do
            for _, secret in ipairs { PASSWORD, OTHER, wallet:text("slip.seed") } do
                assert.is_nil(text:find(secret, 1, true), text)
            end
        end
    end)
end)

describe("auth at a reconnect", function()
    before_each(function()
        helper.start({ extra = USERS, jetstream = false })
    end)
    after_each(function()
        helper.nothing_left()
        helper.stop()
    end)

    local quick = { reconnect_wait = 0.02, reconnect_wait_max = 0.05, reconnect_jitter = 0 }

    local function options(more)
        for name, value in pairs(quick) do
            more[name] = more[name] or value
        end
        return more
    end

    it("is asked again: the password has changed, the server was started anew", function()
        local current, asked = PASSWORD, 0
        local nc = helper.connect(options({
            answer_timeout = 30,
            auth = function()
                asked = asked + 1
                return { user = "alice", password = current }
            end,
        }))
        local sub = assert(nc:subscribe("x"))
        helper.server:kill()
        local name = helper.server:command("dir") .. "/server.conf"
        local config = read(name):gsub(PASSWORD:gsub("%-", "%%-"), OTHER)
        local file = assert(io.open(name, "w"))
        file:write(config)
        file:close()
        helper.server:restart()
        helper.eventually(function()
            sub:next(0.11)
            return asked >= 3 -- refused more than once
        end, 20)
        assert.are_not.equal("connected", nc:info().state)
        current = OTHER
        helper.eventually(function()
            sub:next(0.11)
            return nc:info().state == "connected"
        end, 20)
        works(nc)
        nc:close()
        sub:close()
    end)

    it("is not asked while the program is busy: what is configured counts", function()
        local asked = 0
        local nc = helper.connect(options(with({
            answer_timeout = 0.03,
            auth = function()
                asked = asked + 1
                return asked > 1 and { password = "wrong" } or nil
            end,
        })))
        helper.server:kill()
        helper.eventually(function()
            return nc:info().state == "reconnecting"
        end)
        helper.server:restart()
        helper.eventually(function() -- nothing of this waits inside the library
            return nc:info().state == "connected"
        end, 20)
        assert.are.equal(1, asked)
        works(nc)
        nc:close()
    end)

    it("goes together with reconnect_delay", function()
        local delays, asked = 0, 0
        local nc = helper.connect({
            reconnect_wait = 60, reconnect_wait_max = 60, answer_timeout = 60,
            auth = function()
                asked = asked + 1
                return RIGHT
            end,
            reconnect_delay = function()
                delays = delays + 1
                if delays == 2 then
                    helper.server:restart()
                end
                return 0.01
            end,
        })
        local sub = assert(nc:subscribe("x"))
        helper.server:kill()
        helper.eventually(function()
            sub:next(0.11)
            return nc:stats().reconnects == 1
        end, 30)
        assert.are.equal(2, asked)
        nc:close()
        sub:close()
    end)

    it("runs in the loop of luv, too", function()
        local loop = require "natskit.loop.luv"
        local asked = 0
        loop.run(function()
            local nc = helper.connect(options({
                answer_timeout = 60,
                auth = function()
                    asked = asked + 1
                    return RIGHT
                end,
            }))
            works(nc)
            helper.server:kill()
            helper.server:restart()
            local sub = assert(nc:subscribe("x"))
            while nc:stats().reconnects == 0 do
                loop.sleep(0.01)
            end
            works(nc)
            sub:close()
            nc:close()
        end)
        assert.are.equal(2, asked)
    end)
end)

describe("nkeys and JWTs", function()
    local seed, public

    setup(function()
        seed, public = wallet:text("alice.seed"), wallet:text("alice.nkey")
    end)
    after_each(function()
        helper.nothing_left()
        helper.stop()
    end)

    it("let in who has the seed, or has it sign", function()
        helper.start({ extra = ("authorization { users = [ { nkey: %s } ] }"):format(public), jetstream = false })
        connects({ nkey_seed = seed })
        connects({ nkey_seed_file = path("alice.seed") })
        connects({ auth = function() return { nkey_seed = seed } end })
        local nonce
        connects({
            auth = function(event)
                nonce = event.nonce
                return { nkey = public, signature = nats.nkeys.sign(seed, event.nonce) } -- 64 bytes
            end,
        })
        assert.is_true(#nonce > 8)
        helper.fails("auth", nats.connect(helper.url, {
            auth = function() return { nkey = public, signature = ("x"):rep(64) } end,
        }))
        helper.fails("auth", nats.connect(helper.url, { nkey_seed = wallet:text("bob.seed") }))
        helper.fails("credentials", nats.connect(helper.url, { nkey_seed = wallet:text("slip.seed") }))
    end)

    it("let in users of an operator", function()
        helper.start({ extra = wallet:text("operator.conf"), jetstream = false })
        local creds, jwt = wallet:text("alice.creds"), wallet:text("alice.jwt")
        connects({ creds_file = path("alice.creds") })
        connects({ creds = creds })
        connects({ jwt = jwt, nkey_seed = seed })
        connects({ auth = function() return { creds = creds } end })
        connects({ auth = function() return { creds_file = path("alice.creds") } end })
        connects({
            auth = function(event)
                return { jwt = jwt, signature = nats.nkeys.sign(seed, event.nonce) }
            end,
        })
        helper.fails("credentials", nats.connect(helper.url, { creds_file = path("broken.creds") }))
        helper.fails("auth", nats.connect(helper.url, { creds_file = path("foreign.creds") }))

        local own = assert(nats.nkeys.create())
        local issued = assert(nats.jwt.issue_user(wallet:text("account.seed"), assert(nats.nkeys.public_key(own)),
            { name = "joe", valid = 600 }))
        connects({ creds = assert(nats.jwt.format_creds(issued, own)) })
    end)
end)

describe("TLS", function()
    local config

    --- Of the server's own listener, also where all others are spoken to by WebSocket.
    local function start(options)
        helper.start(options)
        helper.url = "nats://127.0.0.1:" .. helper.server:port()
    end

    setup(function()
        config = ("tls { cert_file: %s, key_file: %s, %%s }"):format(path("server.pem"),
            path("server.key"))
    end)
    after_each(function()
        helper.nothing_left()
        helper.stop()
    end)

    it("is told by info", function()
        start({ extra = config:format(""), jetstream = false })
        local nc = helper.connect({ tls_ca_file = path("ca.pem") })
        works(nc)
        local info = nc:info()
        assert.is_true(info.tls)
        assert.is_false(info.tls_insecure)
        assert.is_false(info.tls_resumed)
        assert.are.equal("TLSv1.3", info.tls_version)
        assert.truthy(info.tls_cipher:find("^TLS_"))
        assert(nc:reconnect())
        helper.eventually(function()
            return nc:stats().reconnects == 1
        end)
        assert.is_true(nc:info().tls_resumed)
        nc:close()
        nc = helper.connect({ tls_insecure = true })
        assert.is_true(nc:info().tls and nc:info().tls_insecure)
        nc:close()
        helper.fails("tls_certificate", nats.connect(helper.url))
        helper.fails("tls_certificate", nats.connect(helper.url, {
            tls_ca_file = path("ca.pem"), tls_server_name = "nats.example",
        }))
        helper.fails("tls_required", nats.connect(helper.url, { tls = "off" }))
        helper.fails("credentials", nats.connect(helper.url, { tls_ca_file = path("none.pem") }))
    end)

    it("is not there without it", function()
        start()
        local nc = helper.connect()
        local info = nc:info()
        assert.is_false(info.tls)
        assert.is_false(info.tls_insecure)
        assert.is_false(info.tls_resumed)
        assert.is_nil(info.tls_version)
        assert.is_nil(info.tls_cipher)
        nc:close()
        helper.fails("tls_required", nats.connect(helper.url, { tls = "require" }))
    end)

    it("comes first, and with a client's certificate", function()
        start({
            extra = config:format(("ca_file: %s, verify: true, handshake_first: true"):format(path("ca.pem"))),
            jetstream = false,
        })
        local options = {
            tls_first = true, tls_ca = read(path("ca.pem")), tls_server_name = "localhost",
            tls_cert_file = path("client-encrypted.pem"), tls_key_file = path("client-encrypted.key"),
            tls_key_password = "kp-Marker-d25e",
        }
        connects(options)
        options.tls_cert_file, options.tls_key_file = nil, nil
        assert.is_nil((nats.connect(helper.url, options)))
    end)
end)
