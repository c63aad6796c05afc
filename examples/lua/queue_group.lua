-- A queue group: each message goes to one member of the group.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"
local nc <close> = assert(nats.connect(url, { name = "example queue group" }))

-- snippet: group
local members = {}
for i = 1, 3 do
    members[i] = assert(nc:subscribe("jobs.*", { queue = "workers" }))
end

local jobs = {}
for i = 1, 60 do
    jobs[i] = { "jobs." .. i, "job number " .. i }
end
assert(nc:publish_batch(jobs))
assert(nc:flush()) -- the server has handed all of them out when it answers
-- snippet end

local total = 0
for i, member in ipairs(members) do
    local done = member:next_batch(#jobs, 0) or {}
    print(("worker %d did %d jobs"):format(i, #done))
    total = total + #done
end
print(("%d jobs, each done once"):format(total))
assert(total == #jobs)
