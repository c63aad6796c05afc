-- Settings at hand in a cache, keys that are paths, a counter that several may change, and sessions that are deleted
-- all at once. Needs a server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example kv_cache" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

assert(js:create_or_update_kv { bucket = "CACHED_LUA", storage = "memory" })
local kv <close> = assert(js:open_kv("CACHED_LUA", { codec = "path" }))
assert(kv:put("/db/host", "10.0.0.7"))
assert(kv:put("/sessions/1", "joe"))
assert(kv:put("/sessions/2", "pam"))

do
    local watch <close> = assert(kv:cache()) -- it follows the bucket until it is closed
    assert(watch:next(5)) -- all that there is has come
    print("at hand: " .. assert(kv:cached("/db/host")).value) -- no round trip
    local _, _, code = kv:cached("/db/port")
    assert(code == "key_not_found")
end

for _ = 1, 2 do -- whoever else does the same meanwhile
    assert(kv:modify("/visits", function(value)
        return tostring((value or 0) // 1 + 1)
    end))
end
print("visits: " .. assert(kv:get("/visits")).value)
assert(assert(kv:get("/visits")).value == "2")

local count = assert(kv:delete_all("/sessions/*"))
print(("%d sessions deleted, %d entries left behind"):format(count, assert(kv:purge_deletes { older_than = 0 })))
assert(count == 2)
print("keys: " .. table.concat(assert(kv:keys()), ", "))
assert(js:delete_kv("CACHED_LUA"))
