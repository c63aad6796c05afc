-- SPDX-License-Identifier: Apache-2.0
-- natskit's Lua module in the benchmark: CASE N SIZE URL.
local here = arg[0]:match "^(.*)/" or "."
package.path = here .. "/?.lua;" .. package.path
local measure = require "measure"
local nats = require "natskit"

local headers = { ["Bench-One"] = "first value", ["Bench-Two"] = "second value" }
local limits = { pending_msgs_limit = 1000000000, pending_bytes_limit = 1 << 40 }
local cases = {}

local function look(b, msg)
    if #msg.data ~= b.size then
        error "a message of another size"
    end
    if b.read and msg:header "Bench-Two" ~= "second value" then
        error "another header"
    end
end

function cases.pub(b, nc)
    local options = { headers = nats.headers(headers) }
    local subject, payload = measure.subject, b.payload
    measure.begin()
    if b.headers then
        for _ = 1, b.n do
            if not nc:publish(subject, payload, options) then
                error "publish"
            end
        end
    else
        for _ = 1, b.n do
            if not nc:publish(subject, payload) then
                error "publish"
            end
        end
    end
    assert(nc:flush(60))
    measure.finish()
end

local function started(b, nc)
    local sub = assert(nc:subscribe(measure.subject, limits))
    assert(nc:flush(60))
    measure.begin()
    assert(nc:publish(b.start))
    return sub
end

-- Strings where that is enough, objects where headers are wanted: as a program would.
function cases.sub_iter(b, nc)
    local sub, left, size = started(b, nc), b.n, b.size
    if b.headers then
        return cases.sub_msgs(b, nc, sub)
    end
    for _, data in sub:strings(60) do
        if #data ~= size then
            error "a message of another size"
        end
        left = left - 1
        if left == 0 then
            break
        end
    end
    measure.finish()
    b.got = b.n - left
end

function cases.sub_msgs(b, nc, sub)
    sub = sub or started(b, nc)
    local left = b.n
    for msg in sub:messages(60) do
        look(b, msg)
        left = left - 1
        if left == 0 then
            break
        end
    end
    measure.finish()
    b.got = b.n - left
end

function cases.sub_next(b, nc)
    local sub = started(b, nc)
    for _ = 1, b.n do
        look(b, assert(sub:next(60)))
    end
    measure.finish()
end

function cases.sub_batch(b, nc)
    local sub, got = started(b, nc), 0
    while got < b.n do
        local msgs = assert(sub:next_batch(measure.batch, 60))
        for i = 1, #msgs do
            look(b, msgs[i])
        end
        got = got + #msgs
    end
    measure.finish()
    b.got = got
end

local wait = { timeout = 60 }

local function ask(b, nc)
    look(b, assert(nc:request(measure.echo, b.payload, wait)))
end

function cases.req(b, nc)
    for _ = 1, measure.warm_up do
        ask(b, nc)
    end
    measure.begin()
    for _ = 1, b.n do
        measure.timed(ask, b, nc)
    end
    measure.finish()
end

-- 64 tasks over luv.
function cases.req64(b)
    local loop = require "natskit.loop.luv"
    local each = b.n // measure.in_flight
    loop.run(function()
        local nc = assert(nats.connect(b.url))
        local left = measure.in_flight
        measure.begin()
        for _ = 1, measure.in_flight do
            loop.spawn(function()
                for _ = 1, each do
                    ask(b, nc)
                end
                left = left - 1
                if left == 0 then
                    measure.finish()
                    nc:close()
                end
            end)
        end
        nc:closed()
    end)
    b.n = each * measure.in_flight
    b.got = b.n
end

function cases.idle_subs(b, nc)
    local subs = {}
    for i = 1, b.n do
        subs[i] = false
    end
    assert(nc:flush(60))
    measure.idle_begin()
    for i = 1, b.n do
        subs[i] = assert(nc:subscribe("bench.idle." .. i))
    end
    assert(nc:flush(60))
    measure.idle_finish(b)
    b.got = #subs
end

function cases.idle_conns(b)
    local conns = {}
    for i = 1, b.n do
        conns[i] = false
    end
    measure.idle_begin()
    for i = 1, b.n do
        conns[i] = assert(nats.connect(b.url))
    end
    measure.idle_finish(b)
    b.got = #conns
end

function cases.connect(b)
    measure.begin()
    for _ = 1, b.n do
        measure.timed(function()
            assert(assert(nats.connect(b.url)):close())
        end)
    end
    measure.finish()
end

-- Every ack is looked at, in between.
function cases.js_pub(b, nc)
    local pub = assert(assert(nc:jetstream()):publisher { max_pending = measure.window, ack_wait = 60, acks = "all" })
    local subject, payload, got = measure.stream_subject, b.payload, 0
    local options = { timeout = 60 }
    local function known()
        for _, seq, _, text in pub:acks(0) do
            if not seq then
                error(text)
            end
            got = got + 1
        end
    end
    measure.begin()
    for i = 1, b.n do
        assert(pub:publish(subject, payload, options))
        if i % measure.batch == 0 then
            known()
        end
    end
    assert(pub:done(60))
    known()
    measure.finish()
    b.got = got
end

local function consumer(nc)
    return assert(nc:jetstream()):bind_consumer(measure.stream, measure.consumer)
end

-- Acks are written before the clock stops.
local function acknowledged(b, nc)
    if b.ack then
        assert(nc:flush(60))
    end
    measure.finish()
end

local function look_at_all(b, nc, msgs)
    for i = 1, #msgs do
        look(b, msgs[i])
    end
    if b.ack then
        assert(nc:ack_batch(msgs))
    end
    return #msgs
end

function cases.js_consume_batch(b, nc)
    local from, got = consumer(nc), 0
    measure.begin()
    local sub = assert(from:consume { max_msgs = measure.fetch })
    while got < b.n do
        got = got + look_at_all(b, nc, assert(sub:next_batch(measure.batch, 60)))
    end
    acknowledged(b, nc)
    b.got = got
end

function cases.js_consume_iter(b, nc)
    local from, left = consumer(nc), b.n
    measure.begin()
    for msg in from:messages { max_msgs = measure.fetch, timeout = 60 } do
        look(b, msg)
        if b.ack then
            assert(msg:ack())
        end
        left = left - 1
        if left == 0 then
            break
        end
    end
    acknowledged(b, nc)
    b.got = b.n - left
end

function cases.js_fetch(b, nc)
    local from, got = consumer(nc), 0
    measure.begin()
    while got < b.n do
        got = got + look_at_all(b, nc, assert(from:fetch(math.min(measure.fetch, b.n - got), { timeout = 60 })))
    end
    acknowledged(b, nc)
    b.got = got
end

function cases.obj_put(b, nc)
    local store <close> = assert(assert(nc:jetstream { timeout = 60 }):object_store(measure.bucket))
    measure.begin()
    for i = 0, b.n - 1 do
        measure.timed(function()
            assert(store:put("put." .. i, b.payload))
        end)
    end
    measure.finish()
end

function cases.obj_get(b, nc)
    local store <close> = assert(assert(nc:jetstream { timeout = 60 }):object_store(measure.bucket))
    measure.begin()
    for _ = 1, b.n do
        measure.timed(function()
            local total = 0
            local reader <close> = assert(store:open(measure.object))
            for piece in reader:pieces() do
                total = total + #piece
            end
            assert(total == b.size, "not the whole object")
        end)
    end
    measure.finish()
end

local b = measure.open()
if not cases[b.name] then
    os.exit(77)
end
local nc <close> = assert(nats.connect(b.url))
cases[b.name](b, nc)
measure.report(b, (nats.version()))
