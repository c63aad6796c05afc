-- What servers since 2.12 add to publishing: messages that are stored together or not at all, counters, and messages
-- that the server makes by a schedule. Needs a server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example batches" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

assert(js:add_stream {
    name = "BATCH_LUA", subjects = { "batch.lua.>" }, storage = "memory", allow_atomic = true,
    allow_msg_schedules = true,
})
assert(js:add_stream {
    name = "COUNT_LUA", subjects = { "count.lua.>" }, storage = "memory", allow_msg_counter = true, allow_direct = true,
})

-- snippet: batch
-- Both messages are stored, or none: the second only if nobody has changed the stock.
local function order(stock, seen)
    local batch <close> = assert(js:batch())
    assert(batch:add("batch.lua.order", "7 of them"))
    assert(batch:add("batch.lua.stock", stock, { expected_last_subject_seq = seen }))
    local ack, message, code, _, _, outcome = batch:commit()
    if ack then
        print(("batch: %d messages, the last as %d"):format(ack.count, ack.seq))
    else -- outcome "unknown": it may be stored all the same
        print(("batch: %s; %s"):format(message, outcome == "unknown" and "nobody knows" or "nothing of it is stored"))
    end
    return code
end
-- snippet end

assert(order("93 left", 0) == nil)
assert(order("86 left", 1) == "wrong_last")

-- snippet: counter
for _, by in ipairs { 5, -2, "100000000000000000000" } do -- digits where an integer is too small
    print("counter: " .. assert(js:increment("count.lua.visits", by)))
end
-- snippet end
-- snippet: last
local last = assert(js:get_msg("COUNT_LUA", { last_by_subj = "count.lua.visits" }))
print("read: " .. last.counter) -- last.counter_sources: what was added up of other streams
-- snippet end

-- snippet: schedule
-- One message each second, until another message ends it.
assert(js:publish("batch.lua.plan", "tick", { schedule = "@every 1s", schedule_target = "batch.lua.tick" }))
assert(js:add_consumer("BATCH_LUA", { durable_name = "ticks", filter_subject = "batch.lua.tick" }))
local ticks = assert(js:consumer("BATCH_LUA", "ticks"))
for _ = 1, 2 do
    local msg = assert(ticks:next(10))
    print(("schedule: %s, made by %s"):format(msg.data, assert(msg:origin()).scheduler))
    assert(msg:ack())
end
assert(js:publish("batch.lua.stop", "", { unschedule = "batch.lua.plan" }))
print "schedule: ended"
-- snippet end

assert(js:delete_stream("BATCH_LUA"))
assert(js:delete_stream("COUNT_LUA"))
