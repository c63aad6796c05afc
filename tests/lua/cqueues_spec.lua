-- Coroutines over cqueues, beside its own, and in a controller of the program's own.
local found, cqueues = pcall(require, "cqueues")

describe("natskit.loop.cqueues", function()
    if not found then
        pending("cqueues is not installed")
        return
    end
    local helper = require "helper"
    local loop = require "natskit.loop.cqueues"
    require "loop_cases"(loop, _ENV)

    it("works in a controller that the program runs itself", function()
        local queue, results = cqueues.new(), {}
        loop.install(queue)
        queue:wrap(function() -- no task of the adapter's
            local nc <close> = helper.connect()
            local service = assert(nc:subscribe("shout"))
            loop.spawn(function()
                for msg in service:messages() do
                    assert(msg:respond(msg.data:upper()))
                end
            end)
            for i = 1, 20 do
                queue:wrap(function()
                    local reply = assert(nc:request("shout", "r" .. i))
                    results[#results + 1] = reply.data
                end)
            end
            while #results < 20 do
                cqueues.sleep(0.01)
            end
            helper.fails("timeout", service:next(0.05))
            results.done = true
        end)
        local deadline = helper.now() + 20
        while not results.done or queue:count() > 1 do -- the one that is left watches natskit's descriptor
            assert(helper.now() < deadline, "waited in vain")
            assert(queue:step(1))
        end
        loop.uninstall()
        assert(queue:loop(20))
        assert.is_true(queue:empty())
        table.sort(results)
        assert.are.equal("R1", results[1])
        helper.raises("only what a controller runs", loop.sleep, 1)
        helper.raises("there is no controller", loop.spawn, print)
    end)

    it("suspends the coroutines of another controller, too", function()
        local got
        loop.run(function()
            local nc <close> = helper.connect()
            local sub = assert(nc:subscribe("nested"))
            local inner = cqueues.new()
            inner:wrap(function()
                got = assert(sub:next(20)).data
            end)
            loop.spawn(function()
                assert(inner:loop())
            end)
            loop.sleep(0.01)
            assert(nc:publish("nested", "within"))
            while not got do
                loop.sleep(0.005)
            end
        end)
        assert.are.equal("within", got)
    end)

    it("gives the controller the errors of tasks", function()
        local queue = cqueues.new()
        loop.install(queue)
        loop.spawn(error, "deliberate")
        local good, message = queue:step(1)
        assert.is_false(good)
        assert.truthy(tostring(message):find("deliberate", 1, true))
        loop.uninstall()
    end)
end)
