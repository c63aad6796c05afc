--- Coroutines over LuaSocket's select, for programs that have no other event loop: what waits in natskit suspends
-- its task instead of the program.
--
--     local loop = require "natskit.loop.select"
--     loop.run(function()
--         local nc = assert(nats.connect())
--         loop.spawn(function() ... end)
--         loop.readable(client, 5) -- a socket of LuaSocket's
--     end)
--
-- In a coroutine that is no task (a generator, say) the functions of natskit block as they do without a loop. An
-- error in a task ends `run` and is raised there, unless `on_error` is set. A program with a loop of its own calls
-- `install`, begins tasks with `spawn`, and calls `step` again and again.

local socket = require "socket"
local tasks = require "natskit.loop.tasks"

local LONGEST = 1 -- second that select waits, after which a clock that was set back is noticed

local M = {}
local watched -- natskit's descriptor, as select wants it
local pump
local busy = false
local stopped
local timers = {} -- list of { due =, fn = }, none of which is due before those in front of it
local readers = {} -- socket -> function that is called once it is readable
local writers = {}

local latest = 0 -- what the clock said

-- LuaSocket knows the time of day alone: when that is set back, timers are, too.
local function seconds_now()
    local now = socket.gettime()
    for _, timer in ipairs(now < latest and timers or {}) do
        timer.due = timer.due - (latest - now)
    end
    latest = now
    return now
end

-- Seconds that select may wait.
local function time_left(limit)
    local left = math.min(limit or LONGEST, LONGEST)
    local now = seconds_now()
    return timers[1] and math.max(0, math.min(left, timers[1].due - now)) or left
end

local function run_timers()
    local now = seconds_now()
    while timers[1] and timers[1].due <= now do
        table.remove(timers, 1).fn()
    end
end

local function keys(sockets, first)
    local list = { first }
    for sock in pairs(sockets) do
        list[#list + 1] = sock
    end
    return list
end

local function take_ready(ready, sockets)
    for _, sock in ipairs(ready) do
        local fn = sockets[sock]
        if fn then
            sockets[sock] = nil
            fn()
        end
    end
end

--- Waits for what comes next, at most `seconds` and never longer than one, and runs the tasks that it concerns. False:
-- nothing waits any more.
---@param seconds number|nil
---@return boolean
function M.step(seconds)
    local reading, writing = keys(readers, watched), keys(writers)
    if not busy and not timers[1] and not next(readers) and not next(writers) then
        return false
    end
    local readable, writable = socket.select(reading, writing, time_left(seconds))
    if watched and readable[watched] then
        pump()
    end
    take_ready(readable, readers)
    take_ready(writable, writers)
    run_timers()
    return true
end

local backend = {}

function backend.watch(fd, fn)
    pump = fn
    watched = fd and {
        getfd = function()
            return fd
        end,
    }
end

function backend.busy(some)
    busy = some
end

function backend.after(seconds, fn)
    local timer = { due = seconds_now() + seconds, fn = fn }
    local at = #timers + 1
    while at > 1 and timers[at - 1].due > timer.due do
        at = at - 1
    end
    table.insert(timers, at, timer)
    return function()
        for i, other in ipairs(timers) do
            if other == timer then
                return table.remove(timers, i)
            end
        end
    end
end

function backend.loop()
    stopped = false
    while not stopped do
        if not M.step() then
            return false
        end
    end
    return true
end

function backend.stop()
    stopped = true
end

function backend.settle() end

local _, suspend, resume = tasks(M, backend)

local function wait_ready(sockets, sock, seconds)
    if sockets[sock] then
        error("another task waits for this socket", 3)
    end
    local token, ready = {}, false
    sockets[sock] = function()
        ready = true
        resume(token)
    end
    local forget <close> = setmetatable({}, {
        __close = function()
            sockets[sock] = nil
        end,
    })
    if not suspend(token, seconds) then
        local list = { sock }
        local reads = sockets == readers
        local readable, writable = socket.select(reads and list or nil, not reads and list or nil, seconds)
        ready = (readable[sock] or writable[sock]) ~= nil
    end
    return ready, forget and nil
end

--- Suspends the running task until a socket (of LuaSocket's, or what else has `getfd`) can be read, at most `seconds`;
-- whether it can. No other task may wait for the same.
---@param sock table|userdata
---@param seconds number|nil
---@return boolean
function M.readable(sock, seconds)
    return (wait_ready(readers, sock, seconds))
end

--- The same until it can be written to.
---@param sock table|userdata
---@param seconds number|nil
---@return boolean
function M.writable(sock, seconds)
    return (wait_ready(writers, sock, seconds))
end

return M
