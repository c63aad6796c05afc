--- Coroutines over luv (libuv): what waits in natskit suspends its task instead of the program.
--
--     local loop = require "natskit.loop.luv"
--     loop.run(function()
--         local nc = assert(nats.connect())
--         loop.spawn(function() ... end)
--     end)
--
-- In a coroutine that is no task (a generator, say) the functions of natskit block as they do without a loop. An
-- error in a task ends `run` and is raised there, unless `on_error` is set.

local uv = require "luv"
local tasks = require "natskit.loop.tasks"

local poll -- handle that watches natskit's descriptor
local backend = {}

function backend.watch(fd, pump)
    if poll then
        poll:stop()
        poll:close()
        poll = nil
    end
    if fd then
        poll = uv.new_poll(fd)
        poll:start("r", pump)
    end
end

function backend.busy(some)
    if poll and some then
        poll:ref()
    elseif poll then
        poll:unref()
    end
end

function backend.after(seconds, fn)
    local timer = uv.new_timer()
    timer:start(math.ceil(seconds * 1000), 0, fn)
    return function()
        timer:stop()
        timer:close()
    end
end

function backend.loop()
    return uv.run("default")
end

backend.stop = uv.stop

function backend.settle()
    uv.run("nowait") -- luv does not bear to be unloaded while handles are being closed
end

return (tasks({}, backend))
