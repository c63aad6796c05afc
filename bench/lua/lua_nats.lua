-- SPDX-License-Identifier: Apache-2.0
-- lua-nats in the benchmark: CASE N SIZE URL. It has no headers and no request of its own.
local here = arg[0]:match "^(.*)/" or "."
package.path = here .. "/?.lua;" .. package.path
-- The rock `uuid` that it wants is not packaged either; a number that is never used twice does.
package.preload.uuid = package.preload.uuid
    or function()
        local last = 0
        return setmetatable({ seed = function() end }, {
            __call = function()
                last = last + 1
                return tostring(last)
            end,
        })
    end
local measure = require "measure"
local nats = require "nats"

local cases = {}

local function connected(b)
    local host, port = b.url:match "nats://([^:]+):(%d+)"
    local client = nats.connect { host = host, port = tonumber(port) }
    client:connect()
    return client
end

function cases.pub(b, client)
    measure.begin()
    for _ = 1, b.n do
        client:publish(measure.subject, b.payload)
    end
    client:ping()
    measure.finish()
end

function cases.sub_cb(b, client)
    local got = 0
    client:subscribe(measure.subject, function(data)
        if #data ~= b.size then
            error "a message of another size"
        end
        got = got + 1
    end)
    client:ping()
    measure.begin()
    client:publish(b.start, "")
    client:wait(b.n)
    measure.finish()
    b.got = got
end

function cases.idle_subs(b, client)
    client:ping()
    measure.idle_begin()
    for i = 1, b.n do
        client:subscribe("bench.idle." .. i, function() end)
    end
    client:ping()
    measure.idle_finish(b)
end

function cases.idle_conns(b)
    local conns = {}
    measure.idle_begin()
    for i = 1, b.n do
        conns[i] = connected(b)
        conns[i]:ping()
    end
    measure.idle_finish(b)
end

function cases.connect(b)
    measure.begin()
    for _ = 1, b.n do
        measure.timed(function()
            local client = connected(b)
            client:ping()
            client:shutdown()
        end)
    end
    measure.finish()
end

local b = measure.open()
if not cases[b.name] or b.headers then
    os.exit(77)
end
cases[b.name](b, connected(b))
measure.report(b, nats._VERSION:match "[%d.]+%S*")
