-- Push consumers of a real server, blocking and over luv; and pull consumers as legacy clients make them.
local helper = require "helper"
local nats = require "natskit"

local function make(js, count)
    assert(js:add_stream { name = "S", subjects = { "s.*" }, storage = "memory" })
    for number = 1, count do
        assert(js:publish("s.m", tostring(number)))
    end
end

local function take(sub, count)
    local found = {}
    for _ = 1, count do
        local msg = assert(sub:next(20))
        found[#found + 1] = msg.data
        assert(msg:ack())
    end
    return table.concat(found, " ")
end

-- Until the consumer has so many messages that wait for acks.
local function ack_pending(js, name, count)
    helper.eventually(function()
        return assert(js:consumer_info("S", name)).num_ack_pending == count
    end)
end

local cases = {}

cases["a new one is made, and deleted when it is closed"] = function(_, js)
    make(js, 3)
    local sub = assert(js:subscribe("s.*", { heartbeat = 0.5 }))
    assert.are.equal("1 2 3", take(sub, 3))
    local info = assert(sub:push_info())
    assert.are.same({ "S", 3, true, true, 0 }, { info.stream, info.msgs, info.live, info.made, info.lost })
    local config = assert(js:consumer_info("S", info.consumer)).config
    assert.are.same({ true, "explicit", 0.5 }, { config.flow_control, config.ack_policy, config.idle_heartbeat })
    sub:close()
    helper.eventually(function()
        return #assert(js:consumer_names("S")) == 0
    end)
end

cases["a durable one is used again as it is"] = function(_, js)
    make(js, 2)
    local none, _, code = js:subscribe("s.*", { durable = "d", bind = true })
    assert.is_nil(none)
    assert.are.equal("consumer_not_found", code)
    local sub = assert(js:subscribe("s.*", { durable = "d", config = { ack_wait = 20, metadata = { a = "b" } } }))
    assert.are.equal("1 2", take(sub, 2))
    local text
    none, text, code = js:subscribe("s.*", { durable = "d" })
    assert.are.same({ nil, "busy" }, { none, code })
    assert.is_truthy(text:find("another subscription is bound to consumer d", 1, true))
    sub:close()
    none, text, code = js:subscribe("s.*", { durable = "d", ack_wait = 1 })
    assert.are.same({ nil, "already_exists" }, { none, code })
    assert.is_truthy(text:find("another ack_wait", 1, true))
end

cases["what there is of the configuration is an option"] = function(_, js)
    make(js, 2)
    local options = {
        durable_name = "d", deliver_subject = "to.me", opt_start_seq = 2, ack_policy = "all", ack_wait = 5,
        max_deliver = 4, max_ack_pending = 7, replay_policy = "original", rate_limit_bps = 1000000, headers_only = true,
        flow_control = true, num_replicas = 1, mem_storage = true, description = "why", inactive_threshold = 90,
    }
    local wishes = { sample_percent = 30, heartbeat = 0.7, config = { metadata = { a = "b" } } }
    for name, value in pairs(options) do
        wishes[name == "durable_name" and "durable" or name] = value
    end
    local sub = assert(js:subscribe("s.*", wishes))
    local config = assert(js:consumer_info("S", "d")).config
    for name, value in pairs(options) do
        assert.are.equal(value, config[name], name)
    end
    assert.are.same({ "by_start_sequence", "30%", 0.7, "b" },
        { config.deliver_policy, config.sample_freq, config.idle_heartbeat, config.metadata.a })
    assert.are.equal(2, assert(sub:next(20)):delivery().stream_seq)
    sub:close()
    sub = assert(js:subscribe("", { stream = "S", subjects = { "s.*", "s" }, opt_start_time = "2020-01-02T00:00:00Z" }))
    assert.are.equal("1 2", take(sub, 2))
    sub:close()
end

cases["a pull consumer is found or made"] = function(_, js)
    make(js, 3)
    local consumer = assert(js:pull_subscribe("s.*", { durable = "p", config = { max_deliver = 3 } }))
    assert.are.equal(2, #assert(consumer:fetch(2, { timeout = 20 })))
    assert(js:pull_subscribe("s.*", { durable = "p", stream = "S" }))
    ack_pending(js, "p", 2)
    local none, text, code = js:pull_subscribe("s.x", { durable = "p" })
    assert.are.same({ nil, "already_exists" }, { none, code })
    assert.is_truthy(text:find("filter_subject", 1, true))
end

cases["it ends with its last message, or its consumer"] = function(_, js)
    make(js, 3)
    local sub = assert(js:subscribe("s.*", { max_msgs = 2 }))
    local count = 0
    for _ in sub:messages() do
        count = count + 1
    end
    assert.are.equal(2, count)
    sub:close()
    sub = assert(js:subscribe("s.*", { durable = "d", deliver_policy = "new", heartbeat = 0.2 }))
    assert(js:delete_consumer("S", "d"))
    local none, _, code = sub:next(20)
    assert.is_nil(none)
    assert.are.equal("end", code)
    code = sub:reason()
    assert.is_truthy(code == "consumer_deleted" or code == "consumer_not_found", code)
    sub:close()
end

describe("push consumers", function()
    setup(function()
        helper.start()
    end)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)

    after_each(helper.nothing_left)

    helper.both_ways(it, cases)

    it("are acked behind their handlers", function()
        helper.with_jetstream(function(_, js)
            make(js, 3)
            local seen = {}
            local function handler(msg)
                seen[#seen + 1] = msg.data
                if msg.data == "2" then
                    assert(msg:term())
                end
            end
            local sub = assert(js:subscribe("s.*", { durable = "auto", handler = handler }))
            while #seen < 3 do
                nats.dispatch(1)
            end
            ack_pending(js, "auto", 0)
            assert.are.equal(0, assert(js:consumer_info("S", "auto")).num_redelivered)
            sub:close()
            sub = assert(js:subscribe("s.*", { durable = "manual", handler = handler, manual_ack = true }))
            while #seen < 6 do
                nats.dispatch(1)
            end
            ack_pending(js, "manual", 2)
            sub:close()
        end)
    end)

    it("raises for misuse", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        helper.raises("option queue: it excludes", js.subscribe, js, "s", { queue = "q", flow_control = true })
        helper.raises("boolean expected", js.subscribe, js, "s", { manual_ack = 1 })
        helper.raises("function expected", js.subscribe, js, "s", { handler = 1 })
        helper.raises("on_error needs a handler", js.subscribe, js, "s", { on_error = print })
        helper.raises("option stream is missing", js.subscribe, js)
        helper.raises("has an empty token", js.subscribe, js, "a..b")
        helper.raises("string expected", js.pull_subscribe, js)
        helper.raises("a table as config", js.pull_subscribe, js, "s", { config = 1 })
        helper.raises("a string as durable", js.pull_subscribe, js, "s", { durable = 1 })
    end)
end)
