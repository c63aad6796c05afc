-- Handlers: functions that get the messages, run inside nats.dispatch.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example handlers" }))

nats.on_handler_error(function(err)
    print("a handler failed: " .. err:match("[^\n]*"))
end)

-- A service, and a subscription that ends by itself after three messages.
local service = assert(nc:subscribe("upper", {
    handler = function(msg)
        if msg.data == "" then
            error("nothing to do", 0)
        end
        assert(msg:respond(msg.data:upper()))
    end,
}))
local answers = 0
assert(nc:subscribe("answers", {
    max_msgs = 3,
    handler = function(msg)
        answers = answers + 1
        print("answer: " .. msg.data)
    end,
}))

for _, word in ipairs { "one", "", "two", "three" } do
    assert(nc:publish("upper", word, { reply = "answers" }))
end

-- Four words and three answers; a program that only serves would just call nats.dispatch().
local handled = nats.dispatch(5, 7)
print(("%d messages handled, %d error"):format(handled, service:stats().handler_errors))
assert(answers == 3)
assert(nc:drain(5)) -- runs handlers until all is done
