-- Money that is moved from one account to another, so that nobody ever sees it twice or not at all: both are read as
-- of one moment, and changed together. Needs a server with JetStream, 2.12 or later.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example kv_batch" }))
local js <close> = assert(nc:jetstream { timeout = 5 })

assert(js:create_or_update_kv { bucket = "ACCOUNTS_LUA", storage = "memory", allow_atomic = true })
local kv <close> = assert(js:kv "ACCOUNTS_LUA")
assert(kv:put("joe", "100"))

-- snippet: transaction
local function move(from, to, amount)
    while true do -- again, whenever somebody else was faster
        local found = assert(kv:get_many { from, to })
        local batch <close> = assert(kv:batch())
        for key, more in pairs { [from] = -amount, [to] = amount } do
            local entry = found[key]
            local present = entry and math.tointeger(entry.value) or 0
            assert(batch:update(key, tostring(present + more), entry and entry.revision or 0))
        end
        local revisions, message, code = batch:commit()
        if revisions then
            return revisions
        end
        assert(code == "wrong_last", message)
    end
end
-- snippet end

print("revisions: " .. table.concat(move("joe", "pam", 40), ", ")) -- who has no account yet
move("pam", "joe", 10)
local accounts = assert(kv:get_many { "joe", "pam" })
print(("accounts: joe %s, pam %s"):format(accounts.joe.value, accounts.pam.value))
assert(accounts.joe.value == "70" and accounts.pam.value == "30")
assert(js:delete_kv "ACCOUNTS_LUA")
