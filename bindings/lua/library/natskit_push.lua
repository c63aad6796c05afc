---@meta _
--- Annotations (LuaCATS) of push consumers, and of what operators do, of the Lua module `natskit`. Never loaded at run
--- time.

--- Options of js:subscribe. What is not given here stands in config.
---@class natskit.PushOptions
---@field stream? string without it the one that takes the subject
---@field durable? string name of a consumer that stays: used if it exists and is configured alike, else made
---@field name? string the same of one that the server forgets without subscriptions
---@field bind? boolean whether the consumer has to exist (false)
---@field queue? string subscriptions that share the messages; without durable or name it is the durable name, too
---@field deliver_subject? string that the consumer delivers to (an inbox)
---@field config? natskit.ConsumerConfig other fields of the consumer's configuration
---@field subjects? string|string[] further subjects whose messages come
---@field deliver_policy? "all"|"new"|"last"|"last_per_subject"|"by_start_sequence"|"by_start_time"
---@field opt_start_seq? integer
---@field opt_start_time? string RFC 3339
---@field ack_policy? "none"|"all"|"explicit"|"flow_control" ("explicit")
---@field ack_wait? number seconds for an ack (30)
---@field ack_wait_ms? integer
---@field max_deliver? integer deliveries of a message
---@field max_ack_pending? integer messages that may wait for acks (1000)
---@field replay_policy? "instant"|"original"
---@field rate_limit_bps? integer bits per second at most
---@field sample_percent? integer share of acks that make an advisory
---@field headers_only? boolean
---@field flow_control? boolean whether the server waits for slow taking (true without a queue)
---@field heartbeat? number seconds between two signs of life of the server (5 without a queue)
---@field heartbeat_ms? integer
---@field inactive_threshold? number seconds without subscriptions after which the server deletes it
---@field inactive_threshold_ms? integer
---@field num_replicas? integer
---@field mem_storage? boolean
---@field description? string
---@field max_msgs? integer messages after which the subscription ends by itself
---@field pending_msgs_limit? integer messages that may wait without flow control (524288)
---@field pending_bytes_limit? integer
---@field destroy? "made"|"always"|"never" whether closing (not draining) deletes the consumer ("made": if it was made here, without a durable name)
---@field status_events? boolean whether messages of kind "status" tell what happens (false)
---@field handler? fun(msg: natskit.msg) gets the messages, each of which is acked when it has returned
---@field on_error? fun(err: any, sub: natskit.sub)
---@field manual_ack? boolean whether the handler acks by itself (false)
---@field timeout? number seconds for finding or making the consumer (that of the context)

---@class natskit.PullSubscribeOptions
---@field durable? string name of a consumer that stays
---@field stream? string without it the one that takes the subject
---@field config? natskit.ConsumerConfig
---@field timeout? number seconds

--- What a subscription to a push consumer says of itself.
---@class natskit.PushInfo
---@field stream string
---@field consumer string
---@field msgs integer that came
---@field heartbeats integer
---@field flow_requests integer
---@field missed integer how often two heartbeats in a row did not come
---@field recreated integer consumers that were made after the first
---@field lost integer messages that the server has sent and that have not come
---@field unknown integer
---@field live boolean
---@field made boolean by this subscription

---@class natskit.js
local js = {}

--- A snapshot of a stream: a subscription whose messages are its chunks, in order, and what goes with them. The loop
--- `for msg in sub:messages()` raises if it is not whole. js:restore takes `info` back.
---@param stream string
---@param options? {no_consumers?: boolean, chunk_size?: integer, window_size?: integer, jsck?: boolean, timeout?: number}
---@return natskit.sub? sub
---@return any info {config: table, state: table}; of a failure its message
---@return natskit.code? code
function js:snapshot(stream, options) end

--- Makes a stream of a snapshot again.
---@param info {config: table, state: table} of js:snapshot; the name in config may be another one
---@param chunks string[]|fun(): string? in their order; a function gives nil behind the last
---@param options? {timeout?: number} seconds for each answer
---@return natskit.StreamInfo? info
---@return string? message
---@return natskit.code? code "no_responders": the server has given it up
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:restore(info, chunks, options) end

--- Has the stream's servers elect another leader; options.placement = {preferred = name} says which.
---@param stream string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:step_down_stream(stream, options) end

--- The same of a consumer.
---@param stream string
---@param consumer string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:step_down_consumer(stream, consumer, options) end

--- The same of all of JetStream. Needs the system account.
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:step_down_meta(options) end

--- Has what is left of a cluster that has lost its majority go on. Needs the system account.
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:rescue_meta(options) end

--- Takes a server out of those that keep the stream.
---@param stream string
---@param peer string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:remove_stream_peer(stream, peer, options) end

--- Moves what a server keeps of the stream to another one first.
---@param stream string
---@param peer string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:evacuate_stream_peer(stream, peer, options) end

--- The same as remove_stream_peer of a consumer.
---@param stream string
---@param consumer string
---@param peer string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:remove_consumer_peer(stream, consumer, peer, options) end

--- The same as evacuate_stream_peer of a consumer.
---@param stream string
---@param consumer string
---@param peer string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:evacuate_consumer_peer(stream, consumer, peer, options) end

--- Gives up a move of the stream between clusters.
---@param stream string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:cancel_move(stream, options) end

--- Takes a server out of the cluster for good; options.peer_id instead of its name. Needs the system account.
---@param peer? string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:remove_server(peer, options) end

--- Moves all that a server keeps elsewhere. Needs the system account.
---@param peer? string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:evacuate_server(peer, options) end

--- Deletes all streams and consumers of an account. Needs the system account.
---@param account string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:purge_account(account, options) end

--- Moves a stream of an account; options: server, cluster, domain, tags. Needs the system account.
---@param account string
---@param stream string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:move_account_stream(account, stream, options) end

--- Gives up such a move. Needs the system account.
---@param account string
---@param stream string
---@param options? table
---@return table? answer
---@return string? message
---@return natskit.code? code
function js:cancel_account_stream_move(account, stream, options) end

--- Subscribes to a push consumer, which delivers by itself: one that exists, or a new one. It ends when the consumer
--- is deleted. Fails with "already_exists" if it is configured otherwise, "busy" if another subscription is bound to it.
---@param subject? string
---@param options? natskit.PushOptions
---@return natskit.sub? sub
---@return string? message
---@return natskit.code? code
function js:subscribe(subject, options) end

--- A pull consumer of this name, or a new one for the subject.
---@param subject string
---@param options? natskit.PullSubscribeOptions
---@return natskit.consumer? consumer
---@return string? message
---@return natskit.code? code
function js:pull_subscribe(subject, options) end

---@class natskit.sub
local sub = {}

--- How a subscription of js:subscribe is doing.
---@return natskit.PushInfo? info
---@return string? message
---@return natskit.code? code "not_found" once it has ended, or is another one
function sub:push_info() end

---@class natskit
local nats = {}

--- What a server tells of a stream or consumer: a message of nc:subscribe("$JS.EVENT.ADVISORY.>").
---@param msg natskit.msg
---@return string? kind "stream_action", "consumer_action", "max_deliver", ...
---@return table|string data as the server writes it, or why there is none
---@return natskit.code? code
function nats.advisory(msg) end

--- Puts together what servers tell of a message's way: the data of what came to its Nats-Trace-Dest, in any order.
---@param events string[]
---@return {missing: integer, trace: table?}? tree the first server's event, in which each egress to another server has that one's as `link`
---@return string? message
---@return natskit.code? code
function nats.trace_tree(events) end
