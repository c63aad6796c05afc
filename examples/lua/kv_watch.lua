-- Settings are kept in a bucket, and a watch follows them. Needs a server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example kv_watch" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

-- snippet: short
local kv <close> = assert(js:create_kv { bucket = "EXAMPLE_LUA", history = 5 })
assert(kv:put("light.kitchen", "on"))
assert(kv:put("light.hall", "on"))
local revision = assert(kv:put("light.hall", "off"))

-- Only who knows the last entry changes it.
local entry = assert(kv:get("light.hall"))
assert(entry.revision == revision)
assert(kv:update("light.hall", "dimmed", entry.revision))
local _, message, code = kv:update("light.hall", "on", entry.revision)
print(("refused: %s (%s)"):format(message, code))
assert(code == "wrong_last")

local seen = 0
for change in kv:watch("light.*", { marker = true }) do
    if change.kind == "status" then -- all that there was has come
        print "now what happens"
        assert(kv:delete("light.kitchen"))
        assert(kv:put("door.front", "open")) -- of no interest here
        assert(kv:put("light.hall", "off"))
    else
        print(("%d: %s %s %s"):format(change.revision, change.operation, change.key, change.value))
        seen = seen + 1
        if change.value == "off" then
            break
        end
    end
end
-- snippet end
assert(seen == 4)

for _, old in ipairs(assert(kv:history("light.hall"))) do
    print(("was %s"):format(old.value))
end
print("keys: " .. table.concat(assert(kv:keys()), ", "))
assert(js:delete_kv("EXAMPLE_LUA"))
