--- Coroutines over cqueues: what waits in natskit suspends its coroutine instead of the program, in every coroutine
-- that a cqueues controller runs.
--
--     local loop = require "natskit.loop.cqueues"
--     loop.run(function()
--         local nc = assert(nats.connect())
--         loop.spawn(function() ... end)
--     end)
--
-- A program with a controller of its own calls `install(controller)` and runs that one. In a coroutine that no
-- controller runs itself (a generator, say) the functions of natskit block as they do without a loop.

local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local nats = require "natskit"

local M = {}

--- Called with (message, coroutine) for an error that no task caught; nil: `run` ends and raises it, and without `run`
-- it is an error of the controller's.
---@type fun(message: any, co: thread|nil)|nil
M.on_error = nil

local home -- controller that watches natskit's descriptor and runs what `spawn` begins
local watched -- the descriptor
local waiting = {} -- token -> condition
local tasks = {} -- coroutine -> true, of those that `spawn` began, until its function has ended
local running = false -- `run` is
local failure -- first error of a task, until `run` takes it

local function suspend(token, seconds)
    local _, direct = cqueues.running()
    if not direct then
        return false
    end
    local wake = condition.new()
    waiting[token] = wake
    local forget <close> = setmetatable({}, {
        __close = function()
            waiting[token] = nil
        end,
    })
    wake:wait(seconds)
    return forget ~= nil
end

local function resume(token)
    local wake = waiting[token]
    if wake then
        wake:signal()
    end
end

local function traceback(err)
    if type(err) == "string" then
        return debug.traceback(err, 2)
    end
    return err
end

local function report(err, co)
    if M.on_error then
        M.on_error(err, co)
    elseif running then
        failure = failure or { err }
    else
        error(err, 0)
    end
end

local function watch(fd)
    while watched == fd do
        cqueues.poll({ pollfd = fd, events = "r" })
        if watched == fd then
            local ok, err = xpcall(nats.pump, debug.traceback)
            if not ok then
                report(err)
            end
        end
    end
end

local function wait_fd(fd)
    if watched then
        home:cancel(watched) -- before it is closed, or the controller would miss it
    end
    watched = fd
    if fd then
        home:wrap(watch, fd)
    end
end

--- Makes a controller natskit's scheduler. `run` does it by itself; call it if your program runs the controller.
---@param controller table
function M.install(controller)
    M.uninstall()
    home = controller
    assert(nats.set_scheduler { wait_fd = wait_fd, suspend = suspend, resume = resume, spawn = M.spawn })
end

--- Makes natskit block again. Coroutines that wait in natskit are not resumed any more.
function M.uninstall()
    nats.set_scheduler(nil)
    home = nil
end

--- Begins a task in the controller: it runs `fn(...)` in its next step. Returns its coroutine.
---@param fn fun(...)
---@param ... any
---@return thread
function M.spawn(fn, ...)
    if not home then
        error("spawn: there is no controller; use run or install", 2)
    end
    local args, co = table.pack(...), nil
    co = coroutine.create(function()
        local ok, err = xpcall(fn, traceback, table.unpack(args, 1, args.n))
        tasks[co] = nil
        if not ok then
            report(err, co)
        end
    end)
    tasks[co] = true
    home:attach(co)
    return co
end

--- Suspends the running coroutine for a time; the others go on.
---@param seconds number
function M.sleep(seconds)
    local _, direct = cqueues.running()
    if not direct then
        error("sleep: only what a controller runs can sleep", 2)
    end
    cqueues.sleep(seconds)
end

-- Ends the tasks that are left when `run` is over: their <close> variables are closed, nothing resumes them.
local function abandon(controller)
    controller:close()
    local left = tasks
    tasks = {}
    for co in pairs(left) do
        if coroutine.status(co) == "suspended" then
            coroutine.close(co)
        end
    end
end

--- Runs `fn(...)` as a task of a new controller until it has ended, and returns its results. Tasks that still wait then
-- are closed. An error of any task is raised here.
---@param fn fun(...): ...
---@param ... any
---@return any ...
function M.run(fn, ...)
    if running then
        error("run: tasks run already; use spawn", 2)
    end
    local controller = cqueues.new()
    local results
    running, failure = true, nil
    M.install(controller)
    M.spawn(function(...)
        results = table.pack(fn(...))
    end, ...)
    while not results and not failure do
        local ok, err = controller:step()
        if not ok then
            report(err)
        end
    end
    M.uninstall()
    abandon(controller)
    local raised = failure
    running, failure = false, nil
    if raised then
        error(raised[1], 0)
    end
    return table.unpack(results, 1, results.n)
end

return M
