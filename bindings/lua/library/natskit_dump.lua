---@meta _
--- What lives in the process right now (docs/observability.md).

---@class natskit
local nats = {}

---@class natskit.conn
local conn = {}

---@class natskit.TraceLine
---@field time_ns integer wall clock
---@field out boolean whether the library sent it
---@field cut boolean whether it was longer than 256 bytes
---@field line string

--- The last lines of the protocol, as many as option trace_lines of connect says, the oldest first; without payloads, headers and
--- secrets.
---@return natskit.TraceLine[]? lines
---@return string? message
---@return natskit.code? code
function conn:trace() end

---@class natskit.Dump
---@field version string of the library
---@field msgs integer messages that somebody holds
---@field allocated_bytes integer memory that the library holds
---@field threads integer threads of the library
---@field objects table[] each with handle, kind, and what there is to tell of that kind
---@field left_out integer objects that are not shown

--- Every live object of the whole process.
---@return natskit.Dump? dump
---@return string? message
---@return natskit.code? code
function nats.dump() end
