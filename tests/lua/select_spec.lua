-- Coroutines over LuaSocket's select, beside its sockets, and in a loop of the program's own.
local installed, socket = pcall(require, "socket")

describe("natskit.loop.select", function()
    if not installed then
        pending("LuaSocket is not installed")
        return
    end
    local helper = require "helper"
    local loop = require "natskit.loop.select"
    require "loop_cases"(loop, _ENV)

    local open = {} -- LuaSocket's objects have no __close
    after_each(function()
        while open[1] do
            table.remove(open):close()
        end
    end)

    local function opened(sock)
        open[#open + 1] = assert(sock)
        return sock
    end

    it("waits for sockets beside natskit", function()
        local listener = opened(socket.bind("127.0.0.1", 0))
        local _, port = listener:getsockname()
        local heard = loop.run(function()
            local nc <close> = helper.connect()
            local sub = assert(nc:subscribe("line"))
            loop.spawn(function()
                assert.is_true(loop.readable(listener, 20))
                local peer = opened(listener:accept())
                local other = loop.spawn(loop.readable, peer)
                helper.raises("another task", loop.readable, peer, 0)
                assert.is_true(coroutine.close(other))
                assert.is_true(loop.readable(peer, 20))
                assert(nc:publish("line", assert(peer:receive("*l"))))
            end)
            local client = opened(socket.connect("127.0.0.1", port))
            assert.is_true(loop.writable(client, 20))
            assert.is_false(loop.readable(client, 0.02))
            assert(client:send("over the socket\n"))
            return assert(sub:next(20)).data
        end)
        assert.are.equal("over the socket", heard)
    end)

    it("waits for a socket outside of a task by blocking", function()
        local listener = opened(socket.bind("127.0.0.1", 0))
        local _, port = listener:getsockname()
        assert.is_false(loop.readable(listener, 0.01))
        local client = opened(socket.connect("127.0.0.1", port))
        assert.is_true(loop.readable(listener, 20))
        assert.is_true(loop.writable(client, 20))
    end)

    it("forgets the socket of a task that was closed", function()
        local listener = opened(socket.bind("127.0.0.1", 0))
        loop.run(function()
            local task = loop.spawn(loop.readable, listener)
            assert.is_true(coroutine.close(task))
            assert.is_false(loop.readable(listener, 0.01))
        end)
    end)

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
            loop.spawn(function()
                loop.sleep(0.02)
                assert(nc:publish("own", "from a task"))
            end)
            result = assert(sub:next(20)).data
        end)
        local steps = 0
        while loop.step(0.01) do -- false, since nothing waits any more
            steps = steps + 1
        end
        assert.are.equal("from a task", result)
        assert.is_true(steps > 0)
        assert.is_false(loop.step())
        helper.raises("only a task", loop.sleep, 1)
        loop.uninstall()
    end)

    it("goes on when the clock is set back", function()
        local real, back = socket.gettime, 0
        socket.gettime = function() -- luacheck: ignore
            return real() - back
        end
        local took = helper.timed(loop.run, function()
            loop.spawn(function()
                back = 3600
            end)
            loop.sleep(0.05)
        end)
        socket.gettime = real -- luacheck: ignore
        assert.is_true(took < 10, took)
    end)
end)
