-- A stream is made, changed and filled, a consumer of it handles its messages. Needs a server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example streams" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

local account = assert(js:account_info())
print(("account: %d streams"):format(account.streams))

-- snippet: manage
local info = assert(js:create_or_update_stream {
    name = "EXAMPLE_LUA",
    subjects = { "example.lua.>" },
    max_age = 30 * 86400, -- seconds
    metadata = { owner = "examples" },
})
print(("stream: %s, kept for %d s"):format(info.config.name, info.config.max_age))

local stream = assert(js:stream("EXAMPLE_LUA"))
assert(stream:update { description = "changes what is given, and that alone" })
assert(stream:purge())

-- snippet end
-- snippet: one
local ack = assert(js:publish("example.lua.orders", "order 1", { headers = { Number = "1" }, msg_id = "1" }))
print(("stored: %s %d"):format(ack.stream, ack.seq))
-- snippet end

-- snippet: publisher
do -- many at once
    local pub <close> = assert(js:publisher { max_pending = 100, acks = "all" })
    for number = 2, 3 do
        assert(pub:publish("example.lua.orders", "order " .. number, { msg_id = tostring(number) }))
    end
    assert(pub:publish_batch { { "example.lua.orders", "order 4" },
        { "example.lua.orders", "order 5", headers = { Number = "5" } } })
    pub:done(5) -- fails if one of them is not known to be stored
    for id, seq, code, text in pub:acks(0) do
        if not seq then
            print(id, code, text)
        end
    end
end
-- snippet end
-- snippet: manage
info = assert(stream:info { subjects_filter = ">" })
print(("state: %d messages of example.lua.orders"):format(info.state.subjects["example.lua.orders"]))

-- snippet end
local last = assert(stream:get_msg { last_by_subj = "example.lua.orders" })
print(("last: %s, header Number %s"):format(last.data, last.headers.Number[1]))

-- snippet: manage
local worker = assert(stream:add_consumer { durable_name = "worker", ack_wait = 30, backoff = { 0.5, 2, 60 },
    max_deliver = 4 })

-- snippet end
local msgs, _, reason = assert(worker:fetch(2, { timeout = 5 }))
for _, msg in ipairs(msgs) do
    print("fetched: " .. msg.data)
    assert(msg:ack())
end
print("the fetch ended: " .. reason)

local count = 0
for msg in worker:messages { timeout = 2 } do
    print("handled: " .. msg.data)
    assert(msg:ack_sync())
    count = count + 1
    if count == 3 then
        break
    end
end
assert(assert(worker:info()).num_ack_pending == 0)

local _, message, code, err_code = js:add_stream { name = "EXAMPLE_LUA", subjects = { "other" } }
print(("refused: %s (%s, %d)"):format(message, code, err_code))
assert(code == "already_exists")

-- snippet: manage
assert(stream:delete())
-- snippet end
