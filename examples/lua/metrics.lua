-- The counters of the library as a metrics exporter gives them out: the text format of Prometheus, of a connection, its
-- subscriptions and the process. A program serves this text by whatever HTTP server it has, or writes it to a file for
-- a collector.
local nats = require "natskit"

local url = os.getenv("NATS_URL") or "nats://127.0.0.1:4222"

-- Name, type, field of nc:stats().
local conn_metrics = {
    { "nats_client_in_messages_total", "counter", "in_msgs" },
    { "nats_client_in_bytes_total", "counter", "in_bytes" },
    { "nats_client_out_messages_total", "counter", "out_msgs" },
    { "nats_client_out_bytes_total", "counter", "out_bytes" },
    { "nats_client_outbox_bytes", "gauge", "pending_out_bytes" },
    { "nats_client_dropped_messages_total", "counter", "dropped_msgs" },
    { "nats_client_orphan_messages_total", "counter", "orphan_msgs" },
    { "nats_client_late_replies_total", "counter", "late_replies" },
    { "nats_client_unconfirmed_messages_total", "counter", "unconfirmed" },
    { "nats_client_reconnects_total", "counter", "reconnects" },
    { "nats_client_subscriptions", "gauge", "subs" },
    { "nats_client_requests", "gauge", "requests" },
}

-- The same of sub:stats().
local sub_metrics = {
    { "nats_client_sub_received_messages_total", "counter", "received" },
    { "nats_client_sub_taken_messages_total", "counter", "taken" },
    { "nats_client_sub_dropped_messages_total", "counter", "dropped_msgs" },
    { "nats_client_sub_pending_messages", "gauge", "pending_msgs" },
    { "nats_client_sub_pending_bytes", "gauge", "pending_bytes" },
}

local process_metrics = {
    { "nats_client_allocated_bytes", "gauge", "allocated_bytes" },
    { "nats_client_held_messages", "gauge", "msgs" },
    { "nats_client_threads", "gauge", "threads" },
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
    begin("nats_client_up", "gauge")
    sample("nats_client_up", nc:health().works and 1 or 0)
    for _, source in ipairs { { conn_metrics, assert(nc:stats()) }, { process_metrics, nats.counters() } } do
        for _, metric in ipairs(source[1]) do
            begin(metric[1], metric[2])
            sample(metric[1], source[2][metric[3]])
        end
    end
    begin("nats_client_sub_up", "gauge")
    for _, sub in ipairs(subs) do
        sample("nats_client_sub_up", sub:health().works and 1 or 0, sub.subject)
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
local all = assert(nc:subscribe("metrics.lua.>"))
local quoted = assert(nc:subscribe('metrics.lua."quoted"'))
assert(nc:publish("metrics.lua.one", "12345"))
assert(nc:publish("metrics.lua.two", "12345"))
assert(nc:flush())
assert(all:next(5))

io.write(metrics(nc, { all, quoted }))
