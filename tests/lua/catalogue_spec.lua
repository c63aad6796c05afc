-- The catalogue of bad inputs and faults (tests/catalogue): a scripted server plays each case, or a real one is
-- configured for it, and what the client makes of it is compared with what the case expects. Nothing may raise, each
-- code has to be a documented one, and nothing that the library says may hold a secret.
local helper = require "helper"
local nats = require "natskit"
local cases = require "cases"

local slack = 3 -- seconds that a busy machine adds to a deadline
local limit = 15 -- for what should come at once
local patience = 1 -- ... when something is expected to fail
local fill = ("\0"):rep(32768)

local Player = {}
Player.__index = Player
local steps = {} -- what each does

-- Nothing that the library says holds a secret.
local function clean(...)
    for _, text in ipairs({ ... }) do
        local secret = helper.testing.wallet():secret_in(tostring(text))
        if secret then
            error("a secret is told: " .. secret .. "...", 0)
        end
    end
end

-- Calls what returns nil, message, code on failure; "OK" or the code in capitals, and the results.
local function status(fn, ...)
    local results = table.pack(fn(...))
    if results[1] ~= nil then
        return "OK", results[1]
    end
    local message, code = results[2], results[3]
    clean(message)
    if type(message) ~= "string" or message == "" or not nats.status(code) then
        error(("not a failure with text and code: %s, %s"):format(message, code), 0)
    end
    return code:upper(), nil, message
end

local function want(got, wanted, what)
    if got ~= wanted then
        error(("%q came instead of %q: %s"):format(tostring(got), tostring(wanted), what or ""), 0)
    end
end

-- One of several, cut at |.
local function want_one(got, wanted, what)
    if not ("|" .. wanted .. "|"):find("|" .. got .. "|", 1, true) then
        want(got, wanted, what)
    end
end

local function want_text(text, wanted)
    if wanted:sub(1, 1) == "~" and not text:find(wanted:sub(2), 1, true) then
        error("the text is " .. text, 0)
    end
end

local function in_time(seconds, ...)
    local took, name, result, message = helper.timed(status, ...)
    if took > seconds + slack then
        error(("took %.1f s"):format(took), 0)
    end
    return name, result, message
end

function Player:look()
    self.peak = math.max(self.peak, nats.counters().allocated_bytes)
end

function Player:connect()
    local options = {}
    for name, value in pairs(self.options) do
        options[name] = value
    end
    if options.ask_auth then
        options.ask_auth = nil
        options.auth = function(event)
            clean(event)
            if self.answer_mode == "late" then
                helper.sleep(1)
            end
            return self.answer_mode ~= "nothing" and self.answers or nil
        end
    end
    return in_time(self.deadline, nats.connect, self.url, options, self.deadline)
end

local alone = { set = true, with = true, rejects = true, deadline = true, memory = true, url = true, fails = true,
    ask = true, wallet = true, reload = true }

function Player:play(step)
    local word, rest = helper.testing.wallet():expand(step):gsub("%${port}", self.port):match("^(%S+) ?(.*)$")
    if not alone[word] and not self.nc then
        local name, nc, message = self:connect()
        want(name, "OK", message)
        self.nc = nc
        self.events = assert(nc:events())
        steps.subscribe(self, "x")
    end
    steps[word:gsub("-", "_")](self, rest)
    self:look()
end

function Player:close()
    if self.nc then
        self.nc:close(0)
        self.events:close()
    end
    if self.other then
        self.other:close(0)
    end
    if self.unanswered then
        self.unanswered:close()
    end
    for _, sub in pairs(self.subs) do
        sub:close()
    end
end

-- settings

function steps.set(self, rest)
    local name, value = rest:match("^(%S+) (.*)$")
    if value == "true" or value == "false" then
        self.options[name] = value == "true"
    elseif name == "servers" then
        self.options[name] = { value }
    else
        self.options[name] = math.tointeger(value) or value
    end
end

function steps.with(self, rest)
    if not self.without then
        steps.set(self, rest)
    end
end

function steps.rejects(_, rest)
    local name, value = rest:match("^(%S+) (.*)$")
    local good, result, _, code = pcall(nats.connect, "nats://127.0.0.1:1", { [name] = value }, limit)
    if good and (result or code ~= "invalid") then
        error("it was taken", 0)
    end
end

function steps.ask(self, rest)
    local name, value = rest:match("^(%S+) ?(.*)$")
    if name == "late" or name == "nothing" then
        self.answer_mode = name
    else
        self.answers[name] = value
    end
end

function steps.wallet(_, rest)
    helper.testing.wallet():command(rest)
end

local kept = {} -- a real server, for the next case with the same configuration

function steps.reload(self)
    kept.config = nil -- not for the next case
    self.server:reload('listen: "127.0.0.1:-1"\nhttp: "127.0.0.1:-1"\n' ..
        helper.testing.wallet():expand(self.case.other_config))
end

function steps.deadline(self, rest)
    self.deadline = tonumber(rest) / 1000
end

function steps.memory(self, rest)
    self.bound = tonumber(rest) * 1024
end

function steps.url(self, rest)
    self.url = rest ~= "-" and rest:gsub(":@", ":" .. self.port) or nil
end

-- the connection

function steps.fails(self, rest)
    local names, text = rest:match("^(%S+) ?(.*)$")
    local name, _, message = self:connect()
    want_one(name, names, message)
    want_text(message, text)
end

function steps.event(self, rest)
    local kind, code, text = rest:match("^(%S+) ?(%S*) ?(.*)$")
    local deadline = helper.now() + self.patience -- of all of them: there may be no end to them
    repeat
        local name, event, message = status(self.events.next, self.events, math.max(0, deadline - helper.now()))
        want(name, "OK", message)
        clean(event, event.text, event.server)
        self.told = event
    until event.type == kind
    if code ~= "" then
        want_one(self.told.code and self.told.code:upper() or "", code, self.told.text)
    end
    want_text(self.told.text or "", text)
end

function steps.count(self, rest)
    want(self.told.count, math.tointeger(rest))
end

function steps.about(self, rest)
    want(self.told.subject, cases.unescape(rest))
end

function steps.closed(self, rest)
    steps.event(self, "closed " .. rest)
    want(status(self.events.next, self.events, self.patience), "END")
    want(status(self.subs.x.next, self.subs.x, self.patience), "END")
end

function steps.reconnects(self, rest)
    want(self.nc:stats().reconnects, math.tointeger(rest))
end

function steps.orphans(self, rest)
    want(self.nc:stats().orphan_msgs, math.tointeger(rest))
end

function steps.max_payload(self, rest)
    want(self.nc:info().max_payload, math.tointeger(rest))
end

-- messages

function steps.subscribe(self, rest)
    local subject, max = rest:match("^(%S+) ?(%d*)$")
    self.sub = assert(self.nc:subscribe(subject, { max_msgs = math.tointeger(max) }))
    self.subs[subject] = self.sub
end

function steps.unsubscribe(self)
    want(status(self.sub.unsubscribe, self.sub), "OK")
end

function steps.on(self, rest)
    self.sub = self.subs[rest]
end

function Player:take()
    local name, msg, message = status(self.sub.next, self.sub, self.patience)
    want(name, "OK", message)
    self.msg = msg
    return msg
end

function steps.message(self, rest)
    want(self:take().data, cases.unescape(rest))
end

-- A script sends the probe by itself; with a real server the client does.
function steps.probe(self)
    if self.real then
        want(status(self.nc.publish, self.nc, "x", "probe"), "OK")
    end
    steps.message(self, "probe")
end

function steps.bytes(self, rest)
    want(#self:take().data, math.tointeger(rest))
end

function steps.ends(self, rest)
    want(status(self.sub.next, self.sub, self.patience), "END")
    want(self.sub:stats().reason:upper(), rest)
end

function steps.subject(self, rest)
    want(self.msg.subject, cases.unescape(rest))
end

function steps.reply(self, rest)
    want(self.msg.reply or "", cases.unescape(rest))
end

function steps.code(self, rest)
    local code, description = rest:match("^(%d+) ?(.*)$")
    want(self.msg.status or 0, math.tointeger(code))
    want(self.msg.description or "", cases.unescape(description))
end

function steps.headers(self, rest)
    want(#(self.msg.header_list or {}), math.tointeger(rest))
end

function steps.header(self, rest)
    local index, name, value = rest:match("^(%d+) (%S+) ?(.*)$")
    local got = self.msg.header_list[math.tointeger(index)]
    want(got[1], cases.unescape(name))
    want(got[2], cases.unescape(value))
end

-- what the client does

function steps.publish(self, rest)
    local wanted, headers = rest:match("^(%S+) ?(.*)$")
    local options = { timeout = self.patience, headers = headers ~= "" and { A = "b" } or nil }
    want_one((status(self.nc.publish, self.nc, "y", "data", options)), wanted)
end

function steps.flush(self, rest)
    local wanted, ms = rest:match("^(%S+) (%d+)$")
    want_one((in_time(ms / 1000, self.nc.flush, self.nc, ms / 1000)), wanted)
end

function steps.request(self, rest)
    local wanted, ms = rest:match("^(%S+) (%d+)$")
    want_one((in_time(ms / 1000, self.nc.request, self.nc, "service", "data", { timeout = ms / 1000 })), wanted)
end

function steps.fill(self, rest)
    local wanted, ms = rest:match("^(%S+) (%d+)$")
    local deadline, name = helper.now() + limit, "OK"
    while name == "OK" and helper.now() < deadline do
        name = in_time(ms / 1000, self.nc.publish, self.nc, "y", fill, { timeout = ms / 1000 })
        self:look()
    end
    want(name, wanted)
end

function steps.proceed(self)
    self.server:proceed()
end

function steps.script(self)
    self.server:wait(self.patience)
end

function steps.answering(self)
    self.unanswered = assert(self.nc:events({ answers = true }))
end

function steps.reconnect(self)
    want(status(self.nc.reconnect, self.nc), "OK")
end

function steps.second(self, rest)
    local wanted, text = rest:match("^(%S+) ?(.*)$")
    local name, nc, message = status(nats.connect, self.url, self.options, self.patience)
    self.other = nc
    want_one(name, wanted, message)
    want_text(message or "", text)
end

function steps.second_ends(self)
    want(status(self.other.close, self.other, 0), "OK")
    self.other = nil
end

function steps.publish_to(self, rest)
    local subject, wanted = rest:match("^(%S+) (%S+)$")
    want_one((status(self.nc.publish, self.nc, subject, "data", { timeout = self.patience })), wanted)
end

function steps.request_to(self, rest)
    local subject, wanted, ms = rest:match("^(%S+) (%S+) (%d+)$")
    want_one((in_time(ms / 1000, self.nc.request, self.nc, subject, "data", { timeout = ms / 1000 })), wanted)
end

function steps.publish_many(self, rest)
    for _ = 1, math.tointeger(rest) do
        want(status(self.nc.publish, self.nc, "y", fill, { timeout = 0 }), "OK")
        self:look()
    end
end

function steps.info(self, rest)
    local field, value = rest:match("^(%S+) ?(.*)$")
    local info = self.nc:info()
    for _, text in pairs(info) do
        clean(text)
    end
    clean(self.nc)
    local shown = tostring(info[field])
    if value:sub(1, 1) == "~" then
        want_text(shown, value)
    else
        want(shown, value)
    end
end

function steps.server(self, rest)
    want_text(self.told.server or "", rest)
end

local function drop_kept()
    if kept.server then
        kept.server:close()
    end
    kept = {}
end

-- The server of a case, and a tap before it: what is inside of TLS that cannot read.
local function begin(case)
    if case.config == "" then
        return helper.testing.scripted(case.script), nil
    end
    local config = helper.testing.wallet():expand(case.config)
    if kept.config ~= config then
        drop_kept()
        kept = { server = helper.testing.server({ extra = config, jetstream = false }), config = config }
    end
    return kept.server, not config:find("tls", 1, true) and helper.testing.tap(kept.server) or nil
end

-- With `without` the lines `with` are left out, and the case has to fail.
local function play(case, without)
    local server, tap = begin(case)
    local real = case.config ~= ""
    local start = nats.counters().allocated_bytes
    local wait = without and patience or limit
    local port = tap and tap.port or real and math.tointeger(server:url():match(":(%d+)$")) or server.port
    local player = setmetatable({ case = case, server = server, real = real, without = without, port = port,
        url = "nats://127.0.0.1:" .. port, options = {}, answers = {}, answer_mode = "answer", subs = {}, peak = start,
        deadline = wait, patience = wait, bound = 1024 * 1024 }, Player)
    local at = ""
    local good, why = pcall(function()
        for _, step in ipairs(case.steps) do
            at = step
            player:play(step)
        end
        at = "at the end"
        if player.peak - start > player.bound then
            error(("%d KiB of memory"):format((player.peak - start) // 1024), 0)
        end
    end)
    player:close()
    local ended, trouble = true, nil
    if tap then
        ended, trouble = pcall(tap.close, tap)
    elseif not real then
        if without then
            ended = pcall(server.wait, server, patience)
            server:close(true)
        else
            ended, trouble = pcall(server.close, server)
        end
    end
    if without and good and ended then
        error(("case %s (%s) succeeds without the option, too"):format(case.title, case.where), 0)
    elseif not without and not (good and ended) then
        error(("case %s (%s), step %s: %s %s"):format(case.title, case.where, at, good and "" or why,
            ended and "" or trouble), 0)
    end
end

describe("catalogue", function()
    after_each(helper.nothing_left)
    teardown(function()
        drop_kept()
        helper.testing.wallet():close()
    end)

    for _, case in ipairs(cases.read(helper.root .. "/tests/catalogue")) do
        it(case.title, function()
            play(case)
        end)
        if case.has_with then
            it(case.id .. " fails without it", function()
                play(case, true)
            end)
        end
    end
end)
