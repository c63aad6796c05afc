-- The contract of nats.set_scheduler, with a scheduler of a few lines.
local helper = require "helper"
local nats = require "natskit"
local uv = require "luv"

-- Polls natskit's descriptor itself. `log` tells what natskit asked for.
local function simple()
    local self = { waiting = {}, mine = {}, due = {}, log = { fds = {}, resumed = 0, unknown = 0 } }

    function self.wait_fd(fd)
        self.log.fds[#self.log.fds + 1] = fd or "none"
        self.fd = fd
    end

    function self.suspend(token, seconds)
        local co = coroutine.running()
        if not self.mine[co] then
            self.log.refused = (self.log.refused or 0) + 1
            return false
        end
        assert(self.waiting[token] == nil, "a token was used twice")
        assert(type(token) == "number" and math.type(token) == "integer")
        self.waiting[token] = co
        self.due[token] = seconds and helper.now() + seconds or nil
        return coroutine.yield("suspended")
    end

    function self.resume(token)
        local co = self.waiting[token]
        self.waiting[token], self.due[token] = nil, nil
        if not co then
            self.log.unknown = self.log.unknown + 1
            return
        end
        self.log.resumed = self.log.resumed + 1
        local good, err = coroutine.resume(co, true)
        if not good then
            error(err, 0)
        end
    end

    function self.spawn(fn)
        local co = coroutine.create(fn)
        self.mine[co] = true
        assert(coroutine.resume(co))
        return co
    end

    -- Runs until `done()` is true.
    function self.run(done)
        local deadline = helper.now() + 10
        while not done() do
            assert(helper.now() < deadline, "waited in vain")
            nats.pump()
            for token, due in pairs(self.due) do
                if due <= helper.now() then
                    self.resume(token)
                    break
                end
            end
            uv.sleep(1)
        end
    end
    return self
end

describe("a scheduler", function()
    local scheduler

    setup(function()
        helper.start()
    end)
    teardown(helper.stop)
    before_each(function()
        scheduler = simple()
        assert.is_true(nats.set_scheduler(scheduler))
    end)
    after_each(function()
        assert.is_true(nats.set_scheduler(nil))
        scheduler = nil -- it holds the coroutines
        helper.nothing_left()
    end)

    it("is given one descriptor, and told when it is over", function()
        assert.are.equal(1, #scheduler.log.fds)
        assert.are.equal("integer", math.type(scheduler.log.fds[1]))
        local second = simple()
        assert.is_true(nats.set_scheduler(second))
        assert.are.equal("none", scheduler.log.fds[2])
        assert.are.equal(1, #second.log.fds)
        assert.is_true(nats.set_scheduler(nil))
        assert.are.equal("none", second.log.fds[2])
        assert.are.equal(0, nats.pump())
    end)

    it("has its coroutines suspended, and resumed by the pump", function()
        local result
        scheduler.spawn(function()
            local nc <close> = assert(nats.connect(helper.url))
            local sub = assert(nc:subscribe("a"))
            assert(nc:publish("a", "x"))
            result = { sub:next().data, select(3, sub:next(0.05)), nc:flush() }
        end)
        scheduler.run(function()
            return result
        end)
        assert.are.same({ "x", "timeout", true }, result)
        assert.is_true(scheduler.log.resumed >= 1)
        scheduler.run(function()
            return next(scheduler.waiting) == nil
        end)
    end)

    it("is not asked in the main thread, and refuses other coroutines", function()
        local nc <close> = helper.connect()
        assert.is_true(nc:flush())
        assert.is_nil(scheduler.log.refused)
        local co = coroutine.wrap(function()
            local sub = assert(nc:subscribe("a"))
            assert(nc:publish("a", "x"))
            assert(nc:flush())
            assert(sub:next(1))
            return select(3, sub:next(0.05))
        end)
        assert.are.equal("timeout", co())
        assert.is_true(scheduler.log.refused >= 1)
    end)

    it("may resume too early, too late, or a token that is not known", function()
        local nc <close> = helper.connect()
        local sub = assert(nc:subscribe("a"))
        local got
        local co = scheduler.spawn(function()
            got = sub:next(5).data
        end)
        for _ = 1, 3 do -- the coroutine looks, finds nothing and suspends again
            local token = next(scheduler.waiting)
            scheduler.resume(token)
            assert.are_not.equal(token, (next(scheduler.waiting)))
            assert.is_nil(got)
        end
        scheduler.resume(123456789)
        assert(nc:publish("a", "x"))
        scheduler.run(function()
            return got
        end)
        assert.are.equal("dead", coroutine.status(co))
        assert.are.equal("x", got)
    end)

    it("keeps others waiting for no one's error", function()
        local nc <close> = helper.connect()
        local sub, finished = assert(nc:subscribe("wake.all")), 0
        for i = 1, 5 do
            scheduler.spawn(function()
                sub:next()
                finished = finished + 1
                if i == 2 then
                    error("deliberate")
                end
            end)
        end
        assert(nc:publish_batch { { "wake.all" }, { "wake.all" }, { "wake.all" }, { "wake.all" }, { "wake.all" } })
        assert(nc:flush())
        local good, message = pcall(scheduler.run, function()
            return finished == 5
        end)
        assert.is_false(good)
        assert.truthy(message:find("deliberate", 1, true))
        assert.are.equal(5, finished)
    end)

    it("may forget a coroutine: what it waited for is cancelled", function()
        local nc <close> = helper.connect()
        local sub, other = assert(nc:subscribe("nobody.answers")), assert(nc:subscribe("nothing.comes"))
        for _ = 1, 10 do
            scheduler.spawn(function()
                other:next()
            end)
            scheduler.spawn(function()
                nc:request("nobody.answers", "x", { timeout = 60 })
            end)
            scheduler.spawn(function()
                nats.connect("nats://192.0.2.1:4222", nil, 60)
            end)
        end
        assert.are.equal(10, nc:stats().requests)
        scheduler.waiting, scheduler.mine, scheduler.due = {}, {}, {}
        collectgarbage()
        collectgarbage()
        assert.are.equal(0, nc:stats().requests)
        assert.are.equal(0, nats.counters().ops)
        helper.eventually(function()
            return nats.counters().conns == 1
        end)
        assert(nc:flush())
        nats.pump() -- finds nobody who waits
        assert.are.equal(10, #assert(sub:next_batch(20, 1)))
    end)

    it("must have its three functions", function()
        helper.raises("suspend: function expected, got nil", nats.set_scheduler, { wait_fd = print, resume = print })
        helper.raises("wait_fd: function expected, got table", nats.set_scheduler,
            { wait_fd = {}, suspend = print, resume = print })
        helper.raises("table expected", nats.set_scheduler, print)
        local result -- the one before still works
        scheduler.spawn(function()
            local nc <close> = assert(nats.connect(helper.url))
            result = nc:flush()
        end)
        scheduler.run(function()
            return result and next(scheduler.waiting) == nil
        end)
    end)
end)
