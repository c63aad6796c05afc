-- natskit.testing as a user's tests have it, with natskit as the client; and its annotations name what it has.
local helper = require "helper"
local nats = require "natskit"
local testing = require "natskit.testing"

-- The functions and methods of a file, as "owner.name" in the annotations' words.
local function names(path)
    local file = assert(io.open(helper.root .. "/" .. path))
    local text = "\n" .. file:read("a")
    file:close()
    local found = {}
    for owner, name in text:gmatch("\nfunction (%a+)[.:]([%w_]+)%(") do
        found[owner:lower() .. "." .. name] = true
    end
    return found
end

describe("natskit.testing", function()
    testing.program = helper.testing.program

    it("is annotated", function()
        local has = names("bindings/lua/natskit/testing.lua")
        for _, name in ipairs { "stop", "kill", "restart", "pause", "resume" } do -- made in a loop
            has["server." .. name] = true
        end
        for name in pairs(has) do -- of no class that a program sees
            if name:find("^helper%.") then
                has[name] = nil
            end
        end
        assert.are.same(has, names("bindings/lua/library/natskit_testing.lua"))
    end)

    it("restarts servers behind a proxy", function()
        local server <close> = testing.server()
        local tap <close> = testing.tap(server)
        local nc <close> = assert(nats.connect(tap.url))
        assert(nc:jetstream()):add_stream { name = "KEPT", subjects = { "kept" } }
        server:restart()
        assert.is_true(tap:wait_stat("connections", 2, 60) >= 2)
        local streams = testing.wait_for(function() -- it may have come while the server was not there yet
            return nc:jetstream():stream_names()
        end, 60)
        assert.are.same({ "KEPT" }, streams)
    end)

    it("tells of what breaks the protocol", function()
        local server <close> = testing.server { jetstream = false }
        local tap = testing.tap(server)
        assert.is_true(tap:command("list") ~= nil)
        assert.has_error(function()
            tap:command("nonsense")
        end)
        tap:close()
        local good, why = pcall(testing.scripted, "no such directive")
        assert.is_false(good)
        assert.truthy(why:find("did not start", 1, true))
    end)

    it("follows scripts", function()
        local fake <close> = testing.scripted "handshake\n< PUB a =hello\n< PING\n> PONG\nwait-close\n"
        local nc = assert(nats.connect(fake.url))
        assert(nc:publish("a", "hello"))
        assert(nc:close())
        fake:wait(60)
        assert.are.equal("done", fake:status())
    end)

    it("waits for conditions", function()
        local asked = 0
        assert.are.equal("there", testing.wait_for(function()
            asked = asked + 1
            return asked > 2 and "there"
        end))
        local good, why = pcall(testing.wait_for, function()
            return false
        end, 0, "the moon")
        assert.is_false(good)
        assert.truthy(why:find("the moon did not come true", 1, true))
    end)
end)
