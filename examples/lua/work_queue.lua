-- A work queue: a stream that keeps each job until a worker has acked it. Workers share one consumer; they ack what is
-- done, put off what has to wait, and give up what cannot be done. Needs a server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example work queue" }))
local js <close> = assert(nc:jetstream { timeout = 5 })
local total <const> = 20

assert(js:add_stream { name = "WORK_LUA", subjects = { "work.lua" }, retention = "workqueue", storage = "memory" })
assert(js:add_consumer("WORK_LUA", { durable_name = "workers", ack_wait = 30, max_deliver = 5 }))
for number = 1, total do
    assert(js:publish("work.lua", number == 3 and "later" or number == 7 and "nonsense" or "job"))
end

-- A message takes one of ack, nak and term. Without any of them it is delivered again after ack_wait.
local finished, given_up = 0, 0
local function handle(job)
    local delivered = job:delivery().delivered
    if job.data == "later" and delivered == 1 then
        assert(job:nak(0.1)) -- not now: again in 0.1 s, by whoever asks then
        return
    end
    if job.data == "nonsense" then
        assert(job:term("not a job")) -- never again
        print "given up: nonsense"
        given_up = given_up + 1
    else
        assert(job:ack()) -- done: the stream forgets it
        if delivered > 1 then
            print(("done: %s, at delivery %d"):format(job.data, delivered))
        end
    end
    finished = finished + 1
end

-- Two workers, elsewhere two programs: here they take turns until all is done.
local first = assert(js:consumer("WORK_LUA", "workers"))
local second = assert(js:consumer("WORK_LUA", "workers"))
while finished < total do
    for _, job in ipairs(assert(first:fetch(4, { timeout = 0.5 }))) do -- empty if there was nothing
        handle(job)
    end
    local job, message, code = second:next(0.5)
    if job then
        handle(job)
    elseif code ~= "timeout" then
        error(message)
    end
end
print(("work queue: %d of %d jobs done"):format(finished - given_up, total))
assert(given_up == 1)
assert(js:delete_stream("WORK_LUA"))
