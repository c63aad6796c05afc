-- Files are kept in an object store. Needs a server with JetStream.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example objects" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

-- snippet: short
local store <close> = assert(js:create_object_store { bucket = "EXAMPLE_LUA", storage = "memory" })
local info = assert(store:put("logo.svg", "<svg/>", { description = "the logo" }))
print(("put %s: %d bytes"):format(info.name, info.size))
local data, told = assert(store:get("logo.svg"))
print(("got %s: %s"):format(data, told.description))

-- A file of any size, piece by piece: nothing of it is seen before its end.
local writer <close> = assert(store:create("log.txt"))
for i = 1, 1000 do
    assert(writer:write(("this is line %d\n"):format(i)))
end
assert(writer:finish())

local lines = 0
local reader <close> = assert(store:open("log.txt"))
for piece in reader:pieces() do
    lines = lines + select(2, piece:gsub("\n", "\n"))
end
print(("%d lines in %d bytes"):format(lines, reader:info().size))
-- snippet end
assert(lines == 1000)

assert(store:link("latest", "log.txt"))
assert(#assert(store:get("latest")) == reader:info().size)
assert(store:update("log.txt", { name = "old.txt" }))
local _, message, code = store:get("latest")
print(("the link leads nowhere: %s (%s)"):format(message, code))
assert(code == "object_not_found")

for change in store:watch { marker = true } do
    if change.kind == "status" then -- all that there was has come
        assert(store:delete("logo.svg"))
    elseif change.deleted then
        print(change.name .. " was deleted")
        break
    else
        print("there is " .. change.name)
    end
end
assert(#assert(store:list()) == 2)
assert(js:delete_object_store("EXAMPLE_LUA"))
