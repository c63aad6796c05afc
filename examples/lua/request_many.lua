-- One request, many replies: every member of a service answers.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example request_many" }))

local members = {}
for i = 1, 3 do
    members[i] = assert(nc:subscribe("who.is.there"))
end

-- snippet: ask
-- Asks, and lets the members answer; they would be programs of their own.
local function ask(options)
    local replies = assert(nc:request_many("who.is.there", "", options))
    for i, member in ipairs(members) do
        local question = assert(member:next(5))
        assert(question:respond("member " .. i))
    end
    return replies
end

local count = 0
do
    local replies <close> = ask { max_wait = 5, stall = 0.2 } -- as long as they come quickly
    for msg in replies do
        print(msg.data)
        count = count + 1
    end
    print("ended: " .. replies:reason())
end
assert(count == 3)
-- snippet end

do
    local replies <close> = ask { max_wait = 5, max_msgs = 2 } -- two are enough
    for msg in replies do
        print("one of the first two: " .. msg.data)
    end
    print("ended: " .. replies:reason())
end

for _ in nc:request_many("nobody.is.there", "") do
    error("somebody was there")
end
