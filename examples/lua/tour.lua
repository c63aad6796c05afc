-- A tour through what natskit does, in Lua: each stop checks what it shows. The first stops block; request
-- and reply runs with coroutines, so that both sides live in this one program.
local nats = require "natskit"
local loop = require "natskit.loop.luv"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"

local function show(stop, format, ...)
    print(stop .. ": " .. format:format(...))
end

local function expect(wanted, got, what)
    if wanted ~= got then
        error(("%s: expected %s, got %s"):format(what, tostring(wanted), tostring(got)), 2)
    end
end

local function show_publish_subscribe(nc)
    local sub <close> = assert(nc:subscribe("greet.*"))
    assert(nc:publish("greet.joe", "hello"))
    assert(nc:publish("greet.pam", "good morning"))
    local seen = {}
    for _ = 1, 2 do
        local msg = assert(sub:next(1))
        show("publish/subscribe", "received %s '%s'", msg.subject, msg.data)
        seen[#seen + 1] = msg.subject
    end
    expect("greet.joe greet.pam", table.concat(seen, " "), "subjects")
end

local function show_queue_group(nc)
    local one <close> = assert(nc:subscribe("jobs", { queue = "workers" }))
    local two <close> = assert(nc:subscribe("jobs", { queue = "workers" }))
    for _ = 1, 20 do
        assert(nc:publish("jobs", "job"))
    end
    assert(nc:flush())
    local done = one:stats().received + two:stats().received
    show("queue group", "20 jobs, %d done once", done)
    expect(20, done, "jobs")
end

local function show_headers(nc)
    local sub <close> = assert(nc:subscribe("with.headers"))
    assert(nc:publish("with.headers", "", { headers = { Color = { "red", "blue" }, ["x-Case"] = "kept" } }))
    local msg = assert(sub:next(1))
    show("headers", "Color: %s", table.concat(msg.headers.Color, ", "))
    expect("blue", msg:header("Color", 2), "second value")
    expect("kept", msg:header_ignore_case("X-CASE"), "name without case")
    expect(nil, msg:header("X-CASE"), "name with case")
end

local function show_request_reply(nc)
    loop.run(function()
        local service <close> = assert(nc:subscribe("greeter"))
        loop.spawn(function()
            for msg in service:messages() do
                show("request/reply", "the service sees header Language: %s", msg:header("Language"))
                assert(msg:respond("hello, " .. msg.data))
            end
        end)
        local reply = assert(nc:request("greeter", "joe", { headers = { Language = "Lua" } }))
        show("request/reply", "got '%s'", reply.data)
        expect("hello, joe", reply.data, "reply")
    end)
end

local function show_no_responders(nc)
    local reply, message, code = nc:request("nobody.there")
    show("no responders", "%s", message)
    expect(nil, reply, "reply")
    expect("no_responders", code, "code")
end

local function show_bad_input(nc)
    local good, message = pcall(nc.subscribe, nc, "not a subject")
    show("bad input", "%s", message)
    expect(false, good, "subscribe")
end

local nc = assert(nats.connect(url, { name = "tour" }))
local events = assert(nc:events())
local info = assert(nc:info())
show("connect", "%s, server %s, max_payload %d bytes", info.url, info.version, info.max_payload)

show_publish_subscribe(nc)
show_queue_group(nc)
show_headers(nc)
show_request_reply(nc)
show_no_responders(nc)
show_bad_input(nc)

assert(nc:flush())
show("flush", "the server has all %d messages", nc:stats().out_msgs)
assert(nc:close())

local last
for event in events:messages(1) do
    last = event.type
end
show("events", "the last one is %s", last)
expect("closed", last, "last event")
assert(events:close())

assert(nats.shutdown())
local left = nats.counters()
expect(0, left.conns + left.subs + left.ops + left.waitsets + left.threads, "objects left")
show("end", "nothing is left behind")
