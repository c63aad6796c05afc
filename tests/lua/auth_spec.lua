-- nats.nkeys and nats.jwt, connecting with what they make, and contexts of the command line.
local helper = require "helper"
local nats = require "natskit"

local SEED = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"
local PUBLIC = "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"
local ACCOUNT_SEED = "SAAASUPRY3ONU4GJR7J5RUVYRUFZXG56F4WEXELLLORQ65AEPSMIFTOJGE"

-- Fails with this code, and tells no key.
local function refused(code, value, message, got)
    assert.is_nil(value)
    assert.are.equal(code, got)
    assert.is_nil(message:find("SUAM", 1, true))
    assert.is_nil(message:find("SAAA", 1, true))
end

local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local function base64url(data)
    local out, bits, have = {}, 0, 0
    local function put(value)
        out[#out + 1] = LETTERS:sub(value + 1, value + 1)
    end
    for byte in data:gmatch(".") do
        bits, have = (bits << 8 | byte:byte()) & 0xffff, have + 8
        while have >= 6 do
            have = have - 6
            put(bits >> have & 63)
        end
    end
    if have > 0 then
        put(bits << (6 - have) & 63)
    end
    return table.concat(out)
end

local function claims_of(jwt)
    local bits, have, out = 0, 0, {}
    for letter in jwt:match("^[^.]+%.([^.]+)%."):gmatch(".") do
        bits, have = (bits << 6 | LETTERS:find(letter, 1, true) - 1) & 0xffff, have + 6
        if have >= 8 then
            have = have - 8
            out[#out + 1] = string.char(bits >> have & 255)
        end
    end
    return assert(nats.json.decode(table.concat(out)))
end

describe("nats.nkeys", function()
    it("makes keys of every role", function()
        for role, letter in pairs { user = "U", account = "A", operator = "O", server = "N", cluster = "C" } do
            local seed = assert(nats.nkeys.create(role))
            local key = assert(nats.nkeys.public_key(seed))
            assert.are.equal("S" .. letter, seed:sub(1, 2))
            assert.are.equal(letter, key:sub(1, 1))
            assert.are.same({ 58, 56 }, { #seed, #key })
            local signature = assert(nats.nkeys.sign(seed, "data"))
            assert.are.equal(64, #signature)
            assert.is_true(nats.nkeys.verify(key, "data", signature))
            assert.is_false(nats.nkeys.verify(key, "date", signature))
            assert.is_false(nats.nkeys.verify(key, "data", signature:sub(2)))
            local other = nats.nkeys.public_key(nats.nkeys.create(role))
            assert.is_false(nats.nkeys.verify(other, "data", signature))
        end
        assert.are.equal("SU", nats.nkeys.create():sub(1, 2))
        assert.are.equal(PUBLIC, nats.nkeys.public_key(SEED))
    end)

    it("refuses what is no key", function()
        for _, seed in ipairs { "", "x", PUBLIC, SEED:sub(2), SEED:lower(), SEED .. "A" } do
            refused("credentials", nats.nkeys.public_key(seed))
            refused("credentials", nats.nkeys.sign(seed, "x"))
        end
        refused("credentials", nats.nkeys.verify(SEED, "x", ("x"):rep(64)))
        assert.has_error(function() nats.nkeys.create("curve") end)
        assert.has_error(function() nats.nkeys.sign(SEED) end)
        assert.has_error(function() nats.nkeys.public_key({}) end)
    end)
end)

describe("nats.jwt", function()
    it("issues users", function()
        local account = nats.nkeys.public_key(nats.nkeys.create("account"))
        local claims = claims_of(assert(nats.jwt.issue_user(ACCOUNT_SEED, PUBLIC)))
        assert.are.equal(PUBLIC, claims.sub)
        assert.are.equal(PUBLIC, claims.name)
        assert.are.equal(nats.nkeys.public_key(ACCOUNT_SEED), claims.iss)
        assert.are.equal(-1, claims.nats.subs)
        local options = { account = account, name = "anna", valid = 3600, tags = { "a,b", "c" } }
        local jwt = assert(nats.jwt.issue_user(ACCOUNT_SEED, PUBLIC, options))
        claims = claims_of(jwt)
        assert.are.equal("anna", claims.name)
        assert.are.equal(account, claims.nats.issuer_account)
        assert.are.same({ "a,b", "c" }, { table.unpack(claims.nats.tags) })
        assert.is_nil(claims.nats.subs)
        assert.are.equal(claims.exp, nats.jwt.expiry(jwt))
        assert.is_true(math.abs(claims.exp - os.time() - 3600) < 60)
        options = { account = account, scoped = false, valid = math.huge }
        jwt = assert(nats.jwt.issue_user(ACCOUNT_SEED, PUBLIC, options))
        assert.are.equal(-1, claims_of(jwt).nats.subs)
        assert.are.equal(math.huge, nats.jwt.expiry(jwt))
        local tags = {}
        for i = 1, 200 do
            tags[i] = ("x"):rep(100) .. i
        end
        assert.are.equal(200, #claims_of(assert(nats.jwt.issue_user(ACCOUNT_SEED, PUBLIC, { tags = tags }))).nats.tags)
    end)

    it("refuses wrong keys and options", function()
        refused("credentials", nats.jwt.issue_user(SEED, PUBLIC))
        refused("credentials", nats.jwt.issue_user(ACCOUNT_SEED, SEED))
        refused("credentials", nats.jwt.issue_user(ACCOUNT_SEED, PUBLIC, { account = PUBLIC }))
        refused("credentials", nats.jwt.expiry("nonsense"))
        refused("credentials", nats.jwt.format_creds("nonsense", SEED))
        refused("credentials", nats.jwt.format_creds("a.b.c", ACCOUNT_SEED))
        assert.has_error(function() nats.jwt.issue_user(ACCOUNT_SEED, PUBLIC, { nmae = "x" }) end)
        assert.has_error(function() nats.jwt.issue_user(ACCOUNT_SEED, PUBLIC, { name = "a\nb" }) end)
        helper.nothing_left()
    end)
end)

describe("a server", function()
    after_each(helper.nothing_left)
    teardown(helper.stop)

    local function sign_claims(seed, subject, body)
        local claims = nats.json.encode {
            jti = "x", iat = os.time(), iss = nats.nkeys.public_key(seed), name = "t", sub = subject, nats = body,
        }
        local text = base64url('{"typ":"JWT","alg":"ed25519-nkey"}') .. "." .. base64url(claims)
        return text .. "." .. base64url(nats.nkeys.sign(seed, text))
    end

    it("lets users in that were issued", function()
        local operator, account, user = nats.nkeys.create("operator"), nats.nkeys.create("account"), nats.nkeys.create()
        local key = nats.nkeys.public_key(account)
        local limits = { subs = -1, data = -1, payload = -1, imports = -1, exports = -1, conn = -1, leaf = -1 }
        local own = sign_claims(operator, nats.nkeys.public_key(operator), { type = "operator", version = 2 })
        local its = sign_claims(operator, key, { type = "account", version = 2, limits = limits })
        local config = ("operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s }\n"):format(own, key, its)
        local server <close> = helper.testing.server({ extra = config, jetstream = false })
        local jwt = assert(nats.jwt.issue_user(account, nats.nkeys.public_key(user), { name = "anna" }))
        local creds = assert(nats.jwt.format_creds(jwt, user))
        do
            local nc <close> = assert(nats.connect(server:url(), { creds = creds }))
            assert.is_true(nc:flush())
        end
        local stranger = nats.nkeys.create("account")
        jwt = assert(nats.jwt.issue_user(stranger, nats.nkeys.public_key(user)))
        creds = assert(nats.jwt.format_creds(jwt, user))
        local nc, message, code = nats.connect(server:url(), { creds = creds })
        assert.is_nil(nc)
        assert.are.equal("auth", code)
        assert.is_nil(message:find("eyJ", 1, true))
    end)

    it("is found by a context", function()
        local url = helper.start():url()
        local folder = os.tmpname()
        os.remove(folder)
        assert(os.execute(("mkdir -p '%s/nats/context'"):format(folder)))
        local function write(name, text)
            local file = assert(io.open(folder .. "/nats/" .. name, "w"))
            file:write(text)
            file:close()
        end
        write("context/prod.json", nats.json.encode { url = url })
        write("context/other.json", nats.json.encode { url = "127.0.0.1:1" })
        write("context/bad.json", "{")
        write("context.txt", "prod\n")
        -- os has no setenv, so it is another program that sees the folder.
        local script = [[
            local nats = require "natskit"
            local function say(nc, message, code)
                print(nc and nc:info().state or code)
                if nc then nc:close() end
            end
            say(nats.connect { context = "prod", timeout = 5 })
            say(nats.connect { context = "" })
            say(nats.connect(arg[1], { context = "other" }))
            say(nats.connect { context = "none" })
            print(pcall(nats.connect, { context = "bad" }))
            print(pcall(nats.connect, { context = 5 }))
        ]]
        local file = os.tmpname()
        local out = assert(io.open(file, "w"))
        out:write(script)
        out:close()
        local environment = ("XDG_CONFIG_HOME='%s' LUA_PATH='%s' LUA_CPATH='%s'"):format(folder, package.path,
            package.cpath)
        local pipe = assert(io.popen(("%s timeout 60 lua5.4 %s %s 2>&1"):format(environment, file, url)))
        local lines = {}
        for line in pipe:lines() do
            lines[#lines + 1] = line
        end
        pipe:close()
        os.remove(file)
        os.execute(("rm -r '%s'"):format(folder))
        assert.are.same({ "connected", "connected", "connected", "not_found" }, { table.unpack(lines, 1, 4) })
        assert.truthy(lines[5]:find("^false\t.*no JSON object"))
        assert.truthy(lines[6]:find("^false\t.*string expected"))
    end)
end)
