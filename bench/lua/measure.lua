-- SPDX-License-Identifier: Apache-2.0
-- What the Lua programs of the benchmark share: arguments "CASE N SIZE URL", measuring, the line of JSON.
local uv = require "luv"

local M = { subject = "bench.test", echo = "bench.echo", in_flight = 64, warm_up = 100, batch = 256 }
-- What the harness has made for the cases js_... and obj_...
M.stream, M.stream_subject, M.consumer, M.window, M.fetch = "BENCH", "bench.js", "bench", 4000, 1000
M.bucket, M.object = "bench", "object"

local usage, time, resident
local latencies = {}
local result = {}

local function status(name)
    for line in io.lines "/proc/self/status" do
        local number = line:match("^" .. name .. ":%s*(%d+)")
        if number then
            return tonumber(number)
        end
    end
end

local function seconds(at)
    return at.sec + at.usec / 1e6
end

--- The arguments, read.
function M.open()
    local b = { case = arg[1], n = tonumber(arg[2]), size = tonumber(arg[3]), url = arg[4] }
    b.payload = ("x"):rep(b.size)
    b.read = b.case:find "_read$" ~= nil
    b.headers = b.read or b.case:find "_hdr$" ~= nil
    b.ack = b.case:find "_ack$" ~= nil
    b.name = b.case:gsub("_read$", ""):gsub("_hdr$", ""):gsub("_ack$", "")
    b.start = ("bench.start.%d.%d.%d"):format(b.n, b.size, b.headers and 1 or 0)
    b.got = b.n
    return b
end

function M.begin()
    usage = uv.getrusage()
    time = uv.hrtime()
end

function M.finish()
    result.seconds = (uv.hrtime() - time) / 1e9
    local now = uv.getrusage()
    result.user = seconds(now.utime) - seconds(usage.utime)
    result.sys = seconds(now.stime) - seconds(usage.stime)
    result.switches = now.nvcsw - usage.nvcsw + now.nivcsw - usage.nivcsw
    result.threads = status "Threads"
end

function M.idle_begin()
    collectgarbage()
    resident = status "VmRSS"
    M.begin()
end

function M.idle_finish(b)
    M.finish()
    result.each_bytes = (status "VmRSS" - resident) * 1024 / b.n
end

--- Runs `fn` and keeps how long it took.
function M.timed(fn, ...)
    local then_ = uv.hrtime()
    fn(...)
    latencies[#latencies + 1] = uv.hrtime() - then_
end

function M.report(b, version)
    if #latencies > 0 then
        table.sort(latencies)
        result.p50_us = latencies[#latencies // 2 + 1] / 1e3
        result.p99_us = latencies[#latencies * 99 // 100 + 1] / 1e3
    end
    result.n, result.size, result.got = b.n, b.size, b.got
    result.hwm_kib = status "VmHWM"
    local parts = {}
    for name, value in pairs(result) do
        parts[#parts + 1] = ('"%s": %s'):format(name, math.type(value) == "float" and ("%.6f"):format(value) or value)
    end
    print(("{%s, \"version\": \"%s\"}"):format(table.concat(parts, ", "), version))
end

return M
