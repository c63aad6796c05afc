---@meta _
--- Annotations (LuaCATS) of the object stores of the Lua module `natskit`. Never loaded at run time.

--- Configuration of a store. Fields that are not known are refused.
---@class natskit.ObjectStoreConfig
---@field bucket string letters, digits, _ and -
---@field description? string
---@field ttl? number seconds after which objects go (never)
---@field max_bytes? integer
---@field storage? "file"|"memory" ("file")
---@field num_replicas? integer (1)
---@field placement? table as of a stream
---@field compression? boolean (false)
---@field metadata? table<string, string>

--- Options of store:put and store:create.
---@class natskit.ObjectPutOptions
---@field timeout? number seconds for the next bytes to be taken, and for the end
---@field description? string
---@field headers? table<string, string|string[]>
---@field metadata? table<string, string>
---@field chunk_size? integer bytes of a chunk (131072)
---@field window_bytes? integer bytes of chunks that may wait for their acks (4194304)
---@field ack_wait? number seconds for the ack of a chunk (10)
---@field ack_wait_ms? integer the same in milliseconds
---@field previous_revision? integer what has the name must have it; 0: nothing may have it

--- Options of store:watch.
---@class natskit.ObjectWatchOptions
---@field history? boolean whether it begins with all that is kept of what objects were (false)
---@field updates_only? boolean whether it begins with what comes from now on (false)
---@field ignore_deletes? boolean whether deleted objects are left out (false)
---@field marker? boolean whether a message of kind "status" and type "initial_done" says when all that there was at the begin has come (false)
---@field ends? boolean whether it ends with what there is (false)

---@class natskit.ObjectGetOptions: natskit.CallOptions
---@field into? file*|fun(piece: string) what gets the content

---@class natskit.ObjectInfoOptions: natskit.CallOptions
---@field deleted? boolean deleted objects, too (false)

---@class natskit.ObjectChanges
---@field name? string
---@field description? string
---@field headers? table<string, string|string[]>
---@field metadata? table<string, string>

---@class natskit.ObjectLink
---@field bucket string
---@field name? string nil: the link leads to the store

--- What an object is.
---@class natskit.ObjectInfo
---@field name string
---@field bucket string
---@field description? string
---@field headers? table<string, string[]>
---@field metadata? table<string, string>
---@field nuid string of its chunks
---@field digest string "SHA-256=" and base64
---@field size integer bytes
---@field chunks integer
---@field max_chunk_size integer 0: not told
---@field revision integer
---@field time number when it was stored: seconds since 1970 UTC
---@field time_ns integer the same in nanoseconds
---@field deleted boolean
---@field link? natskit.ObjectLink

---@class natskit.js
local js = {}

--- Creates a store. That there is one with this configuration is no error.
---@param config natskit.ObjectStoreConfig
---@param options? natskit.CallOptions
---@return natskit.object_store? store
---@return string? message
---@return natskit.code? code
function js:create_object_store(config, options) end

--- Gives a store this configuration; what is not given stays as it is.
---@param config natskit.ObjectStoreConfig
---@param options? natskit.CallOptions
---@return natskit.object_store? store
---@return string? message
---@return natskit.code? code "stream_not_found"
function js:update_object_store(config, options) end

--- The names of all stores.
---@param options? natskit.CallOptions
---@return string[]? names
---@return string? message
---@return natskit.code? code
function js:object_store_names(options) end

--- A store that exists.
---@param name string
---@param options? natskit.CallOptions
---@return natskit.object_store? store
---@return string? message
---@return natskit.code? code "stream_not_found"
function js:open_object_store(name, options) end

--- A store, without asking whether it exists.
---@param name string
---@return natskit.object_store? store
---@return string? message
---@return natskit.code? code
function js:object_store(name) end

--- Deletes a store with all it holds.
---@param name string
---@param options? natskit.CallOptions
---@return true? deleted
---@return string? message
---@return natskit.code? code
function js:delete_object_store(name, options) end

---@class natskit.object_store
---@field bucket string its name
local store = {}

--- Puts an object in the place of what has its name.
---@param name string
---@param source string|file*|fun(): string?
---@param options? natskit.ObjectPutOptions
---@return natskit.ObjectInfo? info
---@return string? message
---@return natskit.code? code
function store:put(name, source, options) end

--- Gets an object whole; of a link what it leads to.
---@param name string
---@param options? natskit.ObjectGetOptions
---@return string|true? data true if it went elsewhere
---@return natskit.ObjectInfo|string? info or message
---@return natskit.code? code
function store:get(name, options) end

--- A reader of an object; of a link of what it leads to.
---@param name string
---@param options? natskit.CallOptions
---@return natskit.object_reader? reader
---@return string? message
---@return natskit.code? code
function store:open(name, options) end

--- A writer of an object.
---@param name string
---@param options? natskit.ObjectPutOptions
---@return natskit.object_writer? writer
---@return string? message
---@return natskit.code? code
function store:create(name, options) end

--- What an object is; of a link the link.
---@param name string
---@param options? natskit.ObjectInfoOptions
---@return natskit.ObjectInfo? info
---@return string? message
---@return natskit.code? code "object_not_found", "object_deleted"
function store:info(name, options) end

--- Changes what is said of an object.
---@param name string
---@param changes natskit.ObjectChanges
---@param options? natskit.CallOptions
---@return natskit.ObjectInfo? info
---@return string? message
---@return natskit.code? code "object_exists"
function store:update(name, changes, options) end

--- Deletes an object.
---@param name string
---@param options? natskit.CallOptions
---@return natskit.ObjectInfo? info
---@return string? message
---@return natskit.code? code
function store:delete(name, options) end

--- Makes a link to an object of this store, or of another.
---@param name string
---@param target string
---@param bucket? string
---@param options? natskit.CallOptions
---@return natskit.ObjectInfo? info
---@return string? message
---@return natskit.code? code "object_exists", "link_to_link"
function store:link(name, target, bucket, options) end

--- Makes a link to a store.
---@param name string
---@param bucket string
---@param options? natskit.CallOptions
---@return natskit.ObjectInfo? info
---@return string? message
---@return natskit.code? code
function store:link_store(name, bucket, options) end

--- What there is.
---@param options? natskit.ObjectInfoOptions
---@return natskit.ObjectInfo[]? infos
---@return string? message
---@return natskit.code? code
function store:list(options) end

--- What objects are, as it changes: `for info in store:watch() do`.
---@param options? natskit.ObjectWatchOptions
---@return natskit.sub? watch
function store:watch(options) end

--- The info of the stream behind it.
---@param options? natskit.CallOptions
---@return natskit.StreamInfo? info
---@return string? message
---@return natskit.code? code
function store:status(options) end

--- Lets nothing be changed any more, for ever.
---@param options? natskit.CallOptions
---@return true? sealed
---@return string? message
---@return natskit.code? code
function store:seal(options) end

--- Readers, writers and watches live on.
---@return true
function store:close() end

---@class natskit.object_writer
local writer = {}

--- Takes bytes; waits while too much is under way.
---@param data string
---@return true? taken
---@return string? message
---@return natskit.code? code
function writer:write(data) end

--- Stores the object.
---@return natskit.ObjectInfo? info
---@return string? message
---@return natskit.code? code
function writer:finish() end

--- Gives the object up, and waits until its chunks are gone.
---@return true? aborted
---@return string? message
---@return natskit.code? code
function writer:abort() end

--- Bytes that were given, and of these stored.
---@return integer? given
---@return integer|string? stored or message
---@return natskit.code? code
function writer:progress() end

--- What was not finished is given up without waiting.
---@return true
function writer:close() end

---@class natskit.object_reader
local reader = {}

--- Reads what is there, at least one byte; nil at the end, which is told only of content that is right.
---@param most? integer (262144)
---@return string? piece
---@return string? message
---@return natskit.code? code "object_corrupt", "object_incomplete"
function reader:read(most) end

--- `for piece in reader:pieces() do`
---@return fun(): string?
function reader:pieces() end

--- What the store knows of the object that is read.
---@return natskit.ObjectInfo
function reader:info() end

--- Bytes that were given, and the size.
---@return integer? given
---@return integer|string? size or message
---@return natskit.code? code
function reader:progress() end

--- Ends the reading.
---@return true
function reader:close() end
