-- What operators do, on one real server: snapshots, what needs a cluster, advisories, traces.
local helper = require "helper"
local nats = require "natskit"

local cases = {}

cases["a stream is saved and restored"] = function(_, js)
    assert(js:add_stream { name = "S", subjects = { "s.*" }, storage = "file", max_age = 3600 })
    for number = 1, 200 do
        assert(js:publish("s.m", tostring(number)))
    end
    local sub, info = assert(js:snapshot("S", { chunk_size = 1024 }))
    local chunks = {}
    for msg in sub:messages() do
        chunks[#chunks + 1] = msg.data
    end
    sub:close()
    assert.is_true(#chunks > 1)
    assert.are.equal(200, info.state.messages)
    local function replace() -- by another name, since what was deleted may be in the way
        assert(js:delete_stream(info.config.name))
        info.config.name = "S" .. nats.nuid()
    end
    replace()
    helper.raises("config and state", js.restore, js, {}, chunks)
    helper.raises("list of strings or function", js.restore, js, info, "chunk")
    local made = assert(js:restore(info, chunks))
    assert.are.equal(200, made.state.messages)
    replace()
    local at = 0
    assert(js:restore(info, function() -- of a file, and an empty one is passed over
        at = at + 1
        return at == 1 and "" or chunks[at - 1]
    end, { timeout = 20 }))
    assert.is_true(at > #chunks)
    local again, _, why = js:restore(info, chunks)
    assert.are.equal(nil, again)
    assert.are.equal("already_exists", why)
    replace()
    helper.raises("a chunk is a string", js.restore, js, info, { 7 })
    info.config.name = "S" .. nats.nuid()
    assert(js:restore(info, chunks))
    local restored = assert(js:stream_info(info.config.name))
    assert.are.same({ 200, 3600 }, { restored.state.messages, restored.config.max_age })
    local none, _, code = js:snapshot("NONE")
    assert.are.same({ nil, "stream_not_found" }, { none, code })
end

cases["a restore's time is that of its first call, too"] = function(nc)
    local sub = assert(nc:subscribe("silent.>")) -- so that somebody is asked, who says nothing
    local js <close> = assert(nc:jetstream { prefix = "silent", timeout = 90 })
    local info = { config = { name = "S" }, state = { messages = 0 } }
    local took, none, _, code = helper.timed(js.restore, js, info, {}, { timeout = 0.2 })
    assert.are.same({ nil, "timeout" }, { none, code })
    assert.is_true(took < 60)
    sub:close()
end

cases["servers tell what happens"] = function(nc, js)
    local sub = assert(nc:subscribe("$JS.EVENT.ADVISORY.>"))
    assert(nc:flush())
    assert(nc:publish("$JS.EVENT.ADVISORY.NOBODY", "["))
    assert(js:add_stream { name = "S", subjects = { "s.*" }, storage = "memory" })
    local found, broken = nil, 0
    while not (found and broken == 1) do
        local kind, data = nats.advisory(assert(sub:next(20)))
        if kind == nil then
            broken = broken + 1
        elseif kind == "stream_action" then
            found = data
        end
    end
    assert.are.same({ "S", "create" }, { found.stream, found.action })
    sub:close()
end

cases["a message is traced"] = function(nc, js)
    assert(js:add_stream { name = "S", subjects = { "s.*" }, storage = "memory" })
    local inbox = nc:new_inbox()
    local sub = assert(nc:subscribe(inbox))
    assert(nc:publish("s.x", "x", { headers = { ["Nats-Trace-Dest"] = inbox, ["Nats-Trace-Only"] = "true" } }))
    local events = {}
    local tree
    repeat
        events[#events + 1] = assert(sub:next(20)).data
        tree = assert(nats.trace_tree(events))
    until tree.missing == 0
    assert.are.equal("in", tree.trace.events[1].type)
    assert.are.equal(0, assert(js:stream_info("S")).state.messages)
    local none, _, code = nats.trace_tree { "{" }
    assert.is_nil(none)
    assert.are.equal("invalid", code)
    sub:close()
end

cases["what needs a cluster says so"] = function(_, js)
    assert(js:add_stream { name = "S", subjects = { "s.*" }, storage = "memory" })
    local brief = { timeout = 0.2 }
    local calls = {
        { "step_down_stream", "S", brief }, { "step_down_consumer", "S", "c", brief }, { "step_down_meta", brief },
        { "rescue_meta", brief }, { "remove_stream_peer", "S", "p", brief },
        { "evacuate_stream_peer", "S", "p", brief }, { "remove_consumer_peer", "S", "c", "p", brief },
        { "evacuate_consumer_peer", "S", "c", "p", brief }, { "cancel_move", "S", brief },
        { "remove_server", "p", brief }, { "evacuate_server", "p", brief }, { "purge_account", "A", brief },
        { "move_account_stream", "A", "S", { server = "p", timeout = 0.2 } },
        { "cancel_account_stream_move", "A", "S", brief },
    }
    for _, call in ipairs(calls) do
        local none, text = js[call[1]](js, table.unpack(call, 2))
        assert.is_nil(none, call[1])
        assert.are.equal("string", type(text))
    end
end

describe("operators", function()
    setup(function()
        helper.start()
    end)
    teardown(function()
        nats.set_scheduler(nil)
        helper.stop()
    end)

    after_each(helper.nothing_left)

    helper.both_ways(it, cases)

    it("raises for misuse", function()
        local nc <close> = helper.connect()
        local js <close> = assert(nc:jetstream())
        helper.raises("string expected", js.snapshot, js)
        helper.raises("table expected", js.snapshot, js, "S", 1)
        helper.raises("snapshot: unknown option 'chunks'", js.snapshot, js, "S", { chunks = 1 })
        helper.raises("timeout: ", js.snapshot, js, "S", { timeout = "x" })
        local info = { config = { name = "S" }, state = { messages = 0 } }
        helper.raises("restore: unknown option 'timeouts'", js.restore, js, info, {}, { timeouts = 1 })
        helper.raises("table expected", js.restore, js, info, {}, 1)
        helper.raises("list of strings expected", nats.trace_tree, { 1 })
        helper.raises("table expected", nats.trace_tree, "x")
        helper.raises("msg", nats.advisory, "x")
    end)
end)
