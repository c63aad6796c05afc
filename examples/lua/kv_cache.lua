-- Settings at hand in a cache, keys that are paths, a counter that several may change, and sessions that are deleted
-- all at once. Needs a server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example kv_cache" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

-- snippet: make
assert(js:create_or_update_kv { bucket = "CACHED_LUA", storage = "memory" })
assert(js:update_kv { bucket = "CACHED_LUA", history = 5 }) -- and leaves the rest as it is
print(("%d buckets"):format(#assert(js:kv_names())))
-- snippet end
-- snippet: codec
local kv <close> = assert(js:open_kv("CACHED_LUA", { codec = "path" }))
-- snippet end
assert(kv:put("/db/host", "10.0.0.7"))
assert(kv:put("/sessions/1", "joe"))
assert(kv:put("/sessions/2", "pam"))

-- snippet: cache
do
    local watch <close> = assert(kv:cache()) -- it follows the bucket until it is closed
    assert(watch:next(5)) -- all that there is has come
    print("at hand: " .. assert(kv:cached("/db/host")).value) -- no round trip
    local _, _, code = kv:cached("/db/port")
    assert(code == "key_not_found")
end
-- snippet end

-- snippet: modify
for _ = 1, 2 do -- whoever else does the same meanwhile
    assert(kv:modify("/visits", function(value)
        return tostring((value or 0) // 1 + 1)
    end))
end
-- snippet end
print("visits: " .. assert(kv:get("/visits")).value)
assert(assert(kv:get("/visits")).value == "2")

-- snippet: sweep
local count = assert(kv:delete_all("/sessions/*"))
print(("%d sessions deleted, %d entries left behind"):format(count, assert(kv:purge_deletes { older_than = 0 })))
-- snippet end
assert(count == 2)
print("keys: " .. table.concat(assert(kv:keys()), ", "))
-- snippet: make
assert(js:delete_kv("CACHED_LUA"))
-- snippet end
