-- Life and death: objects that are collected in any order, Lua states that end with everything open, and many
-- objects one after the other. Nothing crashes, nothing hangs, nothing is left.
local helper = require "helper"
local nats = require "natskit"

describe("the collector", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    after_each(function()
        collectgarbage("incremental")
        helper.nothing_left()
    end)

    it("may take objects in any order at any time", function()
        local seed = os.time()
        for round = 1, 12 do
            math.randomseed(seed, round)
            collectgarbage(round % 2 == 0 and "generational" or "incremental")
            local alive = {}
            local function keep(object)
                alive[#alive + 1] = object
            end
            local steps = {
                function()
                    keep((helper.connect()))
                end,
                function(nc)
                    if nc then
                        keep(nc:subscribe("gc." .. math.random(3)))
                        keep(nc:events())
                    end
                end,
                function(nc)
                    if nc then
                        nc:publish("gc." .. math.random(3), "x", { reply = "gc.1" })
                    end
                end,
                function(_, sub)
                    if sub then
                        keep((sub:next(0.01)))
                        for msg in sub:messages(0) do
                            keep(msg)
                            if math.random(2) == 1 then
                                break
                            end
                        end
                    end
                end,
                function(_, sub)
                    if sub then
                        keep(sub:messages(0))
                        keep((select(4, sub:strings(0)))) -- the iterator itself is gone
                    end
                end,
                function()
                    for _, object in ipairs(alive) do -- one of the iterators above
                        if type(object) == "function" and math.random(3) == 1 then
                            keep((object()))
                            break
                        end
                    end
                end,
                function(nc, sub)
                    if sub and math.random(5) == 1 then
                        sub:start_drain(1)
                    elseif sub and math.random(10) == 1 then
                        sub:drain(0)
                    elseif nc and math.random(20) == 1 then
                        nc:start_drain(1)
                    elseif nc and math.random(20) == 1 then
                        nc:drain(0)
                    end
                end,
                function(nc)
                    if nc and math.random(3) == 1 then
                        nc:written(0)
                        nc:closed(0)
                        nc:reconnect()
                    end
                end,
                function(_, _, msg)
                    if msg then
                        msg:respond("y")
                    end
                end,
                function()
                    if #alive > 0 then
                        table.remove(alive, math.random(#alive))
                    end
                end,
                function()
                    collectgarbage(math.random(5) == 1 and "collect" or "step")
                end,
            }
            -- One random object of each kind, if there is one.
            local function pick(kind)
                local found = {}
                for _, object in ipairs(alive) do
                    if tostring(object):find("natskit." .. kind, 1, true) then
                        found[#found + 1] = object
                    end
                end
                return #found > 0 and found[math.random(#found)] or nil
            end
            for _ = 1, 300 do
                steps[math.random(#steps)](pick("conn"), pick("sub"), pick("msg"))
            end
            alive = {}
            helper.nothing_left()
        end
    end)

    it("has little to look after for a subscription that waits idle", function()
        local nc <close> = helper.connect()
        local count, subs = 500, {}
        for i = 1, count do
            subs[i] = false
        end
        collectgarbage()
        collectgarbage()
        local before = collectgarbage("count")
        for i = 1, count do
            subs[i] = assert(nc:subscribe("idle"))
        end
        collectgarbage()
        collectgarbage()
        local each = (collectgarbage("count") - before) * 1024 / count
        assert.is_true(each < 256, each .. " bytes each")
        for i = 1, count do
            subs[i]:close()
        end
    end)

    it("may take handlers, answers and headers in any order", function()
        local seed = os.time()
        for round = 1, 8 do
            math.randomseed(seed, round)
            collectgarbage(round % 2 == 0 and "generational" or "incremental")
            local conns, others, handled = {}, {}, 0
            local function keep(list, object)
                list[#list + 1] = object
            end
            local function conn()
                return conns[math.random(#conns)]
            end
            local steps = {
                function()
                    keep(conns, (helper.connect()))
                end,
                function()
                    local nc = conn()
                    local sub = nc:subscribe("gc." .. math.random(2), { handler = function(msg, of)
                        handled = handled + 1
                        keep(others, math.random(2) == 1 and msg or of)
                        if math.random(10) == 1 then
                            of:close()
                        elseif math.random(20) == 1 then
                            nc:close(0)
                        elseif math.random(10) == 1 then
                            collectgarbage()
                        elseif math.random(10) == 1 then
                            of:start_drain(1)
                        end
                    end })
                    if math.random(2) == 1 then
                        keep(others, sub)
                    end
                end,
                function()
                    local headers = nats.headers { A = "1" }
                    keep(others, headers)
                    for i = 1, 20 do
                        conn():publish("gc." .. math.random(2), tostring(i), { headers = headers })
                    end
                end,
                function()
                    nats.dispatch(0.005, math.random(30))
                end,
                function()
                    local replies = conn():request_many("gc.1", "", { max_wait = 0.01 })
                    keep(others, replies)
                    if replies and math.random(2) == 1 then
                        keep(others, (replies:next(0)))
                    end
                end,
                function()
                    if #conns > 1 then
                        table.remove(conns, math.random(#conns))
                    end
                end,
                function()
                    for _ = 1, math.min(#others, 5) do
                        table.remove(others, math.random(#others))
                    end
                end,
                function()
                    collectgarbage(math.random(3) == 1 and "collect" or "step")
                end,
            }
            steps[1]()
            for _ = 1, 200 do
                steps[math.random(#steps)]()
            end
            conns, others = {}, {}
            helper.nothing_left()
            assert.is_true(handled > 0)
            assert.are.equal(0, nats.dispatch())
        end
    end)

    it("takes a turn that the scheduler dropped, and its messages are handled later", function()
        local dropped, got, kept = 0, {}, true
        local nc = helper.connect()
        assert(nats.set_scheduler { wait_fd = function() end, suspend = function()
            return false
        end, resume = function() end, spawn = function(fn, ...)
            if kept then
                fn(...)
            else
                dropped = dropped + 1
            end
        end })
        local sub = assert(nc:subscribe("gc", { handler = function(msg)
            got[#got + 1] = msg.data
        end }))
        kept = false
        assert(nc:publish("gc", "1"))
        assert(nc:flush())
        helper.eventually(function()
            nats.pump()
            return dropped > 0
        end)
        assert(nc:publish("gc", "2"))
        assert(nc:flush())
        collectgarbage()
        collectgarbage()
        kept = true
        helper.eventually(function()
            nats.pump()
            return #got == 2
        end)
        assert.are.same({ "1", "2" }, got)
        nats.set_scheduler(nil)
        sub:close()
        nc:close()
    end)

    it("ends loops in any order with their subscription, and holds end with them", function()
        local nc <close> = helper.connect()
        for _, order in ipairs { "iterator", "loop", "sub", "all" } do
            local kept = { sub = assert(nc:subscribe("hold")) }
            for i = 1, 3 do
                assert(nc:publish("hold", tostring(i)))
            end
            assert(nc:flush())
            local holds = function()
                collectgarbage()
                collectgarbage()
                return kept.sub and kept.sub:stats().holds
            end
            kept.iterator = kept.sub:messages(0)
            kept.loop = select(4, kept.sub:messages(0))
            assert.are.equal("1", kept.iterator().data)
            assert.are.equal(2, holds())
            if order == "all" then
                kept = {}
            else
                kept[order] = nil
            end
            if order == "iterator" or order == "loop" then
                assert.are.equal(1, holds())
                if kept.iterator then
                    assert.are.equal("2", kept.iterator().data)
                    kept.iterator = nil
                else
                    kept.loop = nil
                end
                assert.are.equal(1, holds()) -- for what is ahead
                while kept.sub:next(0) do end
                assert.are.equal(0, holds())
                assert.is_true(kept.sub:drain(20))
            elseif order == "sub" then -- both of the others keep it
                holds()
                assert.are.equal("2", kept.iterator().data)
                assert.are.equal(1, nats.counters().subs)
            end
            kept = {}
            holds()
            assert.are.equal(0, nats.counters().subs)
        end
    end)

    it("ends a loop whose subscription was closed before, and a loop that is closed twice", function()
        local nc <close> = helper.connect()
        local sub = assert(nc:subscribe("closed.before"))
        assert(nc:publish("closed.before", "x"))
        assert(nc:flush())
        for msg in sub:messages() do
            assert.are.equal("x", msg.data)
            sub:close()
        end
        local other = assert(nc:subscribe("twice"))
        local _, _, _, mark = other:messages()
        local close = getmetatable(mark).__close
        close(mark)
        close(mark)
        assert.are.equal(0, other:stats().holds)
        helper.raises("natskit.loop expected", close, other)
        other:close()
        close(mark)
    end)

    it("ends the loop of a coroutine that is forgotten, so that a drain does not wait for it", function()
        local nc <close> = helper.connect()
        local sub = assert(nc:subscribe("forgotten"))
        assert(nc:publish("forgotten", "x"))
        assert(nc:flush())
        do
            local co = coroutine.wrap(function()
                for msg in sub:messages() do
                    coroutine.yield(msg.data)
                end
            end)
            assert.are.equal("x", co())
            assert.are.equal(1, sub:stats().holds)
        end
        collectgarbage()
        collectgarbage()
        assert.are.equal(0, sub:stats().holds)
        assert.is_true(sub:drain(20))
    end)

    it("finds a subscription's connection alive", function()
        local sub = assert(helper.connect():subscribe("orphan"))
        collectgarbage()
        collectgarbage()
        local other <close> = helper.connect()
        assert(other:publish("orphan", "still here"))
        assert.are.equal("still here", assert(sub:next(5)).data)
        sub:close()
    end)

    it("closes what <close> variables leave", function()
        local copy
        do
            local nc <close> = helper.connect()
            local sub <close> = assert(nc:subscribe("a"))
            assert(nc:publish("a", "x"))
            local msg <close> = assert(sub:next(5))
            assert.are.equal("x", msg.data)
            copy = { nc, sub, msg }
        end
        helper.fails("closed", copy[1]:flush())
        helper.fails("closed", copy[2]:next())
        helper.raises("closed", function()
            return copy[3].data
        end)
    end)

    it("may run a finalizer that closes what is read just now", function()
        local nc <close> = helper.connect()
        for _ = 1, 50 do
            local sub = assert(nc:subscribe("trap"))
            for i = 1, 100 do
                assert(nc:publish("trap", ("x"):rep(i)))
            end
            assert(nc:flush())
            setmetatable({}, {
                __gc = function()
                    sub:close()
                end,
            })
            for _ in sub:messages(0) do
                collectgarbage("step")
            end
        end
    end)

    it("is not needed for objects that come and go", function()
        local nc <close> = helper.connect()
        for _ = 1, 2000 do
            local sub = assert(nc:subscribe("come.and.go"))
            sub:close()
        end
        for _ = 1, 100 do
            local other = helper.connect()
            other:close()
        end
        assert.is_true(nc:flush())
        collectgarbage()
        collectgarbage()
        assert.are.equal(0, nats.counters().subs)
        assert.are.equal(1, nats.counters().conns)
    end)
end)

describe("the end of a Lua state", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)

    local everything = [[
        local loop = require "natskit.loop.luv"
        local nc = assert(nats.connect(url))
        local subs, msgs = {}, {}
        for i = 1, 20 do
            subs[i] = assert(nc:subscribe("end." .. i % 3))
        end
        local events = assert(nc:events())
        for i = 1, 200 do
            assert(nc:publish("end." .. i % 3, "x", { reply = "r", headers = { A = "b" } }))
        end
        assert(nc:flush())
        for i, sub in ipairs(subs) do
            msgs[i] = sub:next(1)
            for msg in sub:messages(0) do
                msgs[#msgs + 1] = msg
                break
            end
        end
        assert(#msgs > 20)
    ]]
    local ends = {
        ["with everything open"] = "",
        ["with an error"] = "error('deliberate')",
        ["by os.exit with lua_close"] = "os.exit(0, true)",
        ["by os.exit"] = "os.exit(0)",
        ["with globals in each other's finalizers"] = [[
            for i = 1, 10 do
                setmetatable({}, { __gc = function()
                    subs[i]:close()
                    nc:publish("end.1", "late")
                    nc:close(0)
                    pcall(nc.subscribe, nc, "x")
                end })
            end
        ]],
        ["with a coroutine that waits"] = [[
            loop.install()
            loop.spawn(function()
                nc:request("nobody.knows", "x", { timeout = 30 })
            end)
            for i = 1, 5 do
                local waiting = assert(nc:subscribe("wait." .. i))
                loop.spawn(function() waiting:next() end)
            end
        ]],
        ["inside a loop"] = [[
            loop.run(function()
                for i = 1, 5 do
                    local waiting = assert(nc:subscribe("wait." .. i))
                    loop.spawn(function() waiting:next() end)
                end
                os.exit(0, true)
            end)
        ]],
        ["inside drains"] = [[
            loop.run(function()
                loop.spawn(function() for _ in subs[1]:messages() do loop.sleep(60) end end)
                loop.spawn(function() subs[1]:drain(60) end)
                loop.spawn(function() nc:drain(60) end)
                loop.spawn(function() nc:closed() end)
                os.exit(0, true)
            end)
        ]],
        ["inside a handler"] = [[
            assert(nc:subscribe("handled", { handler = function() os.exit(0, true) end }))
            for i = 1, 3 do assert(nc:publish("handled", "")) end
            nats.dispatch(5)
        ]],
        ["with handlers that nobody ran, answers and headers"] = [[
            assert(nc:subscribe("handled", { handler = print }))
            for i = 1, 3 do assert(nc:publish("handled", "", { headers = nats.headers { A = "1" } })) end
            assert(nc:flush())
            for _ in nc:request_many("handled", "", { max_wait = 0.1 }) do end
            left = nc:request_many("handled", "", { max_wait = 60 })
        ]],
        ["with a handler whose task was left"] = [[
            loop.run(function()
                assert(nc:subscribe("handled", { handler = function() loop.sleep(60) end }))
                for i = 1, 3 do assert(nc:publish("handled", "")) end
                loop.sleep(0.1)
            end)
            loop.install()
        ]],
        ["inside a for loop"] = "for _ in subs[1]:messages(0) do break end\n" ..
            "for _ in subs[2]:strings() do os.exit(0, true) end",
        ["with a function that reconnects ask for"] = [[
            local asking
            asking = assert(nats.connect(url, { reconnect_delay = function() return asking and 1 end }))
            assert(asking:reconnect())
        ]],
        ["after a shutdown"] = "assert(nats.shutdown(5))",
        ["while the server is gone"] = "os.execute('kill -STOP ' .. PID)",
    }
    for name, code in pairs(ends) do
        it("is clean " .. name, function()
            local pid = tostring(helper.server:pid())
            local took, output, exit = helper.timed(helper.child, everything .. code:gsub("PID", pid) ..
                "\nio.stdout:write('end')")
            if code:find("STOP", 1, true) then
                helper.server:resume()
            end
            assert.is_true(took < 20, took)
            if name == "with an error" then
                assert.are.equal(1, exit)
                assert.truthy(output:find("deliberate", 1, true))
            else
                assert.are.equal(0, exit, output)
                assert.truthy(output == "end" or output == "" and code:find("os.exit", 1, true), output)
            end
        end)
    end
end)

describe("shutdown", function()
    setup(function()
        helper.start()
    end)
    teardown(helper.stop)

    it("ends everything, and the library can be used again", function()
        local output, exit = helper.child([[
            local nc = assert(nats.connect(url))
            local sub = assert(nc:subscribe("a"))
            assert(nc:publish("a", "x", { headers = { A = "b" } }))
            local msg = assert(sub:next(5))
            assert(nats.shutdown())
            assert(msg.data == "x" and msg:header("A") == "b")
            for _, call in ipairs { { nc, "flush" }, { nc, "info" }, { sub, "next" }, { sub, "stats" } } do
                local result, message, code = call[1][ call[2] ](call[1])
                assert(result == nil and code == "closed", tostring(code) .. call[2])
            end
            assert(nats.counters().threads == 0)
            local again = assert(nats.connect(url))
            local other = assert(again:subscribe("a"))
            assert(again:publish("a", "again", { headers = { A = "c" } }))
            assert(other:next(5):header("A") == "c")
            assert(again:close())
            print("fine")
        ]])
        assert.are.equal("fine\n", output)
        assert.are.equal(0, exit)
    end)
end)
