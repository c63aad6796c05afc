-- The counters of the library as a metrics exporter gives them out: the text format of Prometheus, of a connection, its
-- subscriptions and the process. A program serves this text by whatever HTTP server it has, or writes it to a file for
-- a collector.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"

-- Name, type, field of nc:stats().
local conn_metrics = {
    { "natskit_in_messages_total", "counter", "in_msgs" },
    { "natskit_in_bytes_total", "counter", "in_bytes" },
    { "natskit_out_messages_total", "counter", "out_msgs" },
    { "natskit_out_bytes_total", "counter", "out_bytes" },
    { "natskit_outbox_bytes", "gauge", "pending_out_bytes" },
    { "natskit_dropped_messages_total", "counter", "dropped_msgs" },
    { "natskit_orphan_messages_total", "counter", "orphan_msgs" },
    { "natskit_late_replies_total", "counter", "late_replies" },
    { "natskit_unconfirmed_messages_total", "counter", "unconfirmed" },
    { "natskit_reconnects_total", "counter", "reconnects" },
    { "natskit_subscriptions", "gauge", "subs" },
    { "natskit_requests", "gauge", "requests" },
}

-- The same of sub:stats().
local sub_metrics = {
    { "natskit_sub_received_messages_total", "counter", "received" },
    { "natskit_sub_taken_messages_total", "counter", "taken" },
    { "natskit_sub_dropped_messages_total", "counter", "dropped_msgs" },
    { "natskit_sub_pending_messages", "gauge", "pending_msgs" },
    { "natskit_sub_pending_bytes", "gauge", "pending_bytes" },
}

local process_metrics = {
    { "natskit_allocated_bytes", "gauge", "allocated_bytes" },
    { "natskit_held_messages", "gauge", "msgs" },
    { "natskit_threads", "gauge", "threads" },
}

local escapes = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

local function metrics(nc, subs)
    local lines = {}
    local function begin(name, kind)
        lines[#lines + 1] = ("# TYPE %s %s"):format(name, kind)
    end
    local function sample(name, value, subject)
        local label = subject and ('{subject="%s"}'):format(subject:gsub('[\\"\n]', escapes)) or ""
        lines[#lines + 1] = ("%s%s %d"):format(name, label, value)
    end
    begin("natskit_up", "gauge")
    sample("natskit_up", nc:health().works and 1 or 0)
    for _, source in ipairs { { conn_metrics, assert(nc:stats()) }, { process_metrics, nats.counters() } } do
        for _, metric in ipairs(source[1]) do
            begin(metric[1], metric[2])
            sample(metric[1], source[2][metric[3]])
        end
    end
    begin("natskit_sub_up", "gauge")
    for _, sub in ipairs(subs) do
        sample("natskit_sub_up", sub:health().works and 1 or 0, sub.subject)
    end
    for _, metric in ipairs(sub_metrics) do -- all samples of a metric stand together
        begin(metric[1], metric[2])
        for _, sub in ipairs(subs) do
            sample(metric[1], assert(sub:stats())[metric[3]], sub.subject)
        end
    end
    return table.concat(lines, "\n") .. "\n"
end

local nc <close> = assert(nats.connect(url))
local subs = { assert(nc:subscribe("metrics.lua.>")), assert(nc:subscribe('metrics.lua."quoted"')) }
assert(nc:publish("metrics.lua.one", "12345"))
assert(nc:publish("metrics.lua.two", "12345"))
assert(nc:flush())
assert(subs[1]:next(5))

io.write(metrics(nc, subs))
