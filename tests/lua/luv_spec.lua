-- Coroutines over luv, by themselves and in a loop of the program's own.
local helper = require "helper"
local loop = require "natskit.loop.luv"
local uv = require "luv"

describe("natskit.loop.luv", function()
    require "loop_cases"(loop, _ENV)

    it("leaves nothing of a task that is abandoned while it waits", function()
        loop.run(function()
            local nc <close> = helper.connect()
            local sub = assert(nc:subscribe("abandoned"))
            do
                local tasks = {}
                for i = 1, 20 do
                    tasks[i] = loop.spawn(function()
                        if i % 2 == 0 then
                            nc:request("abandoned", "x", { timeout = 60 })
                        else
                            sub:next()
                        end
                    end)
                end
                for _, task in ipairs(tasks) do
                    if coroutine.status(task) == "suspended" then
                        coroutine.close(task)
                    end
                end
            end
            collectgarbage()
            collectgarbage()
            assert.are.equal(0, nc:stats().requests)
            assert(nc:publish("abandoned", "for who asks next"))
            local found
            for msg in sub:messages(1) do
                if msg.data == "for who asks next" then
                    found = true
                    break
                end
            end
            assert.is_true(found)
        end)
    end)

    it("tells when a task waits for something that never comes", function()
        helper.raises("does not know of", loop.run, coroutine.yield)
    end)

    it("works in a loop that the program runs itself", function()
        loop.install()
        local result
        loop.spawn(function()
            local nc <close> = helper.connect()
            local sub = assert(nc:subscribe("own"))
            local timer = uv.new_timer()
            timer:start(20, 0, function()
                timer:close()
                assert(nc:publish("own", "from a callback"))
            end)
            result = assert(sub:next(5)).data
        end)
        uv.run() -- ends by itself, since nothing waits any more
        assert.are.equal("from a callback", result)
        helper.raises("only a task", loop.sleep, 1)
        loop.uninstall()
        uv.run("nowait")
    end)

    it("lets the program's loop end when the tasks that wait were closed", function()
        loop.install()
        local nc = helper.connect()
        local sub = assert(nc:subscribe("never"))
        local tasks = {
            loop.spawn(loop.sleep, 60),
            loop.spawn(sub.next, sub, 60),
            loop.spawn(sub.next, sub),
            loop.spawn(nc.request, nc, "never", "x", { timeout = 60 }),
        }
        sub:next(1) -- the request
        for _, task in ipairs(tasks) do
            assert.is_true(coroutine.close(task))
        end
        assert.is_true(helper.timed(uv.run) < 5)
        loop.uninstall()
        uv.run("nowait")
        sub:close()
        nc:close()
    end)

    it("forgets the wait of a task that somebody else resumes", function()
        loop.install()
        local resumed = 0
        local task = loop.spawn(function()
            loop.sleep(60)
            resumed = resumed + 1
            loop.sleep(0.01)
            resumed = resumed + 1
        end)
        assert.is_true(coroutine.resume(task))
        assert.is_true(helper.timed(uv.run) < 5)
        assert.are.equal(2, resumed)
        assert.are.equal("dead", coroutine.status(task))
        loop.uninstall()
        uv.run("nowait")
    end)
end)
