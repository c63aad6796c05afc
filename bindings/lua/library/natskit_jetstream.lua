---@meta _
--- Annotations (LuaCATS) of the JetStream of the Lua module `natskit`; natskit_config.lua has the configurations.
--- Never loaded at run time.

--- Options of nc:jetstream.
---@class natskit.JetStreamOptions
---@field domain? string domain of the JetStream that is meant
---@field api_prefix? string what the API's subjects begin with, as another account exports them ("$JS.API")
---@field prefix? string the same
---@field timeout? number seconds for each call for which none is given (5)
---@field timeout_ms? integer
---@field api_retries? integer how often a call is made again that nobody answered, because JetStream has no leader at the moment; -1 until its deadline (0)
---@field publish_retries? integer how often a message is published again that no stream answered for; -1 until the deadline (2)
---@field publish_retry_wait? number seconds before that (0.25)
---@field publish_retry_wait_ms? integer

---@class natskit.CallOptions
---@field timeout? number seconds (that of the context)

---@class natskit.StreamInfoOptions: natskit.CallOptions
---@field subjects_filter? string subjects whose numbers of messages are told: state.subjects
---@field deleted_details? boolean whether the sequences of deleted messages are told: state.deleted (false)
---@field offset? integer

---@class natskit.PurgeOptions: natskit.CallOptions
---@field filter? string subjects whose messages go (all)
---@field seq? integer messages below this sequence go
---@field keep? integer all but the last so many go

--- One of seq and last_by_subj, or seq and next_by_subj.
---@class natskit.MsgQuery: natskit.CallOptions
---@field seq? integer
---@field last_by_subj? string
---@field next_by_subj? string
---@field start_time? number|string seconds since 1970, or a time as RFC 3339 has it: the first that was stored then or later
---@field direct? boolean of get_msg: as direct_get (false)

---@class natskit.DeleteMsgOptions: natskit.CallOptions
---@field no_erase? boolean whether its bytes are not overwritten (false)

---@class natskit.ResetOptions: natskit.CallOptions
---@field seq? integer

--- Options of consumer:fetch and consumer:next.
---@class natskit.FetchOptions
---@field timeout? number seconds for all; 0: what is there (30)
---@field max_msgs? integer messages to bring; n sets it (100)
---@field max_bytes? integer bytes of messages to bring; 0 no limit (0)
---@field expires? number seconds for all, as timeout
---@field expires_ms? integer
---@field heartbeat? number seconds between two signs of life of the server (a quarter of expires, at most 5)
---@field heartbeat_ms? integer
---@field no_wait? boolean whether it brings what is there (false)
---@field bind? boolean whether the consumer's info is never asked for (false; true for those of js:bind_consumer)
---@field group? string priority group
---@field pin_id? string of a pinned group: header Nats-Pin-Id of the last message
---@field priority? integer within the group: 0 to 9, 0 first (0)
---@field min_pending? integer of an overflow group: messages come only when so many are pending
---@field min_ack_pending? integer the same with so many that wait for acks

--- Options of consumer:consume and consumer:messages.
---@class natskit.ConsumeOptions
---@field timeout? number seconds without a message after which a loop ends (messages only)
---@field handler? fun(msg: natskit.msg, sub: natskit.sub) gets the messages (consume only)
---@field on_error? fun(err: any, sub: natskit.sub) gets errors of the handler, and why there is no more if nobody has ended it (consume only)
---@field max_msgs? integer messages to ask for ahead (100)
---@field max_bytes? integer bytes of messages to ask for ahead; 0 no limit (0)
---@field threshold_msgs? integer how few are ahead when more are asked for (half of max_msgs)
---@field threshold_bytes? integer the same in bytes (half of max_bytes)
---@field expires? number seconds after which a request is made anew (30)
---@field expires_ms? integer
---@field heartbeat? number seconds between two signs of life of the server (a quarter of expires, 0.5 to 5)
---@field heartbeat_ms? integer
---@field abort_on_missing? boolean whether it ends when the stream or consumer does not exist, instead of waiting until it does (false)
---@field status_events? boolean whether messages of kind "status" between the others tell what happens (false)
---@field bind? boolean whether the consumer's info is never asked for (false; true for those of js:bind_consumer)
---@field group? string priority group
---@field priority? integer within the group: 0 to 9, 0 first (0)
---@field min_pending? integer of an overflow group: messages come only when so many are pending
---@field min_ack_pending? integer the same with so many that wait for acks

--- Options of js:ordered.
---@class natskit.OrderedOptions
---@field subjects? string|string[] subjects whose messages come, with `*` as a token and `>` as the last one; no two may match the same (all)
---@field deliver_policy? "all"|"new"|"last"|"last_per_subject"|"by_start_sequence"|"by_start_time" what it begins with ("all")
---@field opt_start_seq? integer with "by_start_sequence": sequence that it begins with
---@field opt_start_time? string with "by_start_time": time as RFC 3339 has it
---@field headers_only? boolean whether data are left out; header Nats-Msg-Size tells their size (false)
---@field heartbeat? number seconds between two signs of life of the server; after two without one the consumer is made anew (5)
---@field heartbeat_ms? integer
---@field marker? boolean whether a message of kind "status" and type "initial_done" says when all that there was at the begin has come (false)
---@field ends? boolean whether it ends with what there is (false)

--- Options of js:publisher.
---@class natskit.PublisherOptions
---@field max_pending? integer messages that may wait for their acks (4096)
---@field max_pending_bytes? integer bytes of such messages (16777216)
---@field ack_wait? number seconds for the ack of a message, retries included (5)
---@field ack_wait_ms? integer
---@field retries? integer how often a message is published again that no stream answered for; -1 until its time is over (2)
---@field retry_wait? number seconds before that (0.25)
---@field retry_wait_ms? integer
---@field max_untaken? integer outcomes that may wait to be taken; at the limit a publish waits (524288)
---@field acks? "all"|"failures" which outcomes come: all, or those of messages that may not be stored ("failures")

--- Options of js:publish and pub:publish.
---@class natskit.StreamPublishOptions
---@field headers? natskit.headers
---@field timeout? number seconds for the ack (that of the context); of a publisher for room (5)
---@field msg_id? string an id that the stream knows is not stored again
---@field ttl? number seconds after which the message goes; math.huge never
---@field increment? integer|string what is added to the counter of the subject; digits where an integer is too small
---@field schedule? string when messages are made of it: "@at 2030-01-01T00:00:00Z", "@every 5m", "0 0 5 * * *", "@daily"
---@field schedule_target? string subject of what is made
---@field schedule_source? string subject whose last message is taken instead of its own data
---@field schedule_ttl? number seconds after which what is made goes
---@field schedule_time_zone? string of a schedule with fields: "Europe/Paris"
---@field schedule_rollup? boolean whether what is made replaces what was made before
---@field unschedule? string subject of the schedule that ends with this message
---@field expected_stream? string name of the stream that is to store it
---@field expected_last_seq? integer of the stream
---@field expected_last_msg_id? string of the stream
---@field expected_last_subject_seq? integer of its subject, or of expected_last_subject; 0 none
---@field expected_last_subject? string

---@class natskit.PubAck
---@field stream string
---@field seq integer
---@field duplicate boolean the stream had a message with this id, which has that seq
---@field domain? string
---@field batch? string id of the batch that was stored
---@field count? integer messages of that batch
---@field value? integer|string of a counter after the message; digits where an integer is too small

--- What became of a message of a publisher.
---@class natskit.Outcome
---@field id integer number of the message
---@field outcome "done"|"not_sent"|"rejected"|"unknown" unknown: it may be stored
---@field seq? integer
---@field stream? string
---@field domain? string
---@field duplicate boolean
---@field code? natskit.code of a failure
---@field text? string
---@field err_code? integer
---@field server_code? integer

---@class natskit.PublisherInfo
---@field published integer messages accepted
---@field pending integer of those, without an outcome yet
---@field pending_bytes integer
---@field acked integer known to be stored
---@field duplicates integer of those, which were there before
---@field failed integer with another outcome
---@field retried integer sends because no stream had answered
---@field resent integer sends after a reconnect
---@field late integer answers that came after the outcome
---@field untaken integer outcomes that wait to be taken
---@field reason? natskit.code why it has ended; nil while it lives

---@class natskit.StreamState
---@field messages integer
---@field bytes integer
---@field first_seq integer
---@field first_ts string
---@field last_seq integer
---@field last_ts string
---@field consumer_count integer
---@field num_subjects? integer
---@field subjects? table<string, integer> with subjects_filter
---@field num_deleted? integer
---@field deleted? integer[] with deleted_details

--- What the server tells of a stream; fields that are not listed here are there, too.
---@class natskit.StreamInfo
---@field config natskit.StreamConfig
---@field state natskit.StreamState
---@field created string
---@field cluster? table durations ("active") in seconds
---@field mirror? table
---@field sources? table[]

---@class natskit.Sequences
---@field consumer_seq integer
---@field stream_seq integer
---@field last_active? string

--- What the server tells of a consumer; fields that are not listed here are there, too.
---@class natskit.ConsumerInfo
---@field name string
---@field stream_name string
---@field config natskit.ConsumerConfig
---@field created string
---@field delivered natskit.Sequences
---@field ack_floor natskit.Sequences
---@field num_pending integer messages to be delivered
---@field num_ack_pending integer
---@field num_redelivered integer
---@field num_waiting integer
---@field paused? boolean
---@field pause_remaining? number seconds

---@class natskit.PauseInfo
---@field paused boolean
---@field pause_until string
---@field pause_remaining? number seconds

--- A JetStream context. Failures are nil, message, code, err_code, server_code.
---@class natskit.js
local js = {}

--- What the account uses, and its limits.
---@param options? natskit.CallOptions
---@return table? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:account_info(options) end

--- Creates a stream; one that exists and is configured alike is no error.
---@param config natskit.StreamConfig
---@param options? natskit.CallOptions
---@return natskit.StreamInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:add_stream(config, options) end

--- Changes what is given of the stream config.name, and keeps all else.
---@param config natskit.StreamConfig
---@param options? natskit.CallOptions
---@return natskit.StreamInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:update_stream(config, options) end

--- update_stream, or add_stream if there is none.
---@param config natskit.StreamConfig
---@param options? natskit.CallOptions
---@return natskit.StreamInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:create_or_update_stream(config, options) end

--- Configuration and state.
---@param name string
---@param options? natskit.StreamInfoOptions
---@return natskit.StreamInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:stream_info(name, options) end

--- Names of all streams, or of those that take a subject.
---@param subject? string
---@param options? natskit.CallOptions
---@return string[]? names
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:stream_names(subject, options) end

--- Infos of all streams, or of those that take a subject.
---@param subject? string
---@param options? natskit.CallOptions
---@return natskit.StreamInfo[]? infos
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:streams(subject, options) end

--- Name of the one stream that takes a subject.
---@param subject string
---@param options? natskit.CallOptions
---@return string? name
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:find_stream(subject, options) end

--- Removes messages.
---@param name string
---@param options? natskit.PurgeOptions
---@return integer? purged how many
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:purge_stream(name, options) end

--- Deletes a stream with its messages and consumers.
---@param name string
---@param options? natskit.CallOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:delete_stream(name, options) end

--- A message as the stream keeps it.
---@param stream string
---@param query natskit.MsgQuery
---@return natskit.StoredMsg? msg
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:get_msg(stream, query) end

--- Deletes a message.
---@param stream string
---@param seq integer
---@param options? natskit.DeleteMsgOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:delete_msg(stream, seq, options) end

--- The stream as an object.
---@param name string
---@param options? natskit.CallOptions
---@return natskit.stream? stream
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:stream(name, options) end

--- Creates a consumer; one that exists and is configured alike is no error. Acks are explicit unless ack_policy says
--- otherwise.
---@param stream string
---@param config natskit.ConsumerConfig
---@param options? natskit.CallOptions
---@return natskit.ConsumerInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:add_consumer(stream, config, options) end

--- Changes what is given of the consumer config.name or config.durable_name, and keeps all else.
---@param stream string
---@param config natskit.ConsumerConfig
---@param options? natskit.CallOptions
---@return natskit.ConsumerInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:update_consumer(stream, config, options) end

--- Creates a consumer, or gives one that exists this configuration.
---@param stream string
---@param config natskit.ConsumerConfig
---@param options? natskit.CallOptions
---@return natskit.ConsumerInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:create_or_update_consumer(stream, config, options) end

--- Configuration and state.
---@param stream string
---@param consumer string
---@param options? natskit.CallOptions
---@return natskit.ConsumerInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:consumer_info(stream, consumer, options) end

--- Names of the stream's consumers.
---@param stream string
---@param options? natskit.CallOptions
---@return string[]? names
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:consumer_names(stream, options) end

--- Infos of the stream's consumers.
---@param stream string
---@param options? natskit.CallOptions
---@return natskit.ConsumerInfo[]? infos
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:consumers(stream, options) end

--- Deletes a consumer.
---@param stream string
---@param consumer string
---@param options? natskit.CallOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:delete_consumer(stream, consumer, options) end

--- Has the consumer deliver nothing until then (server 2.11).
---@param stream string
---@param consumer string
---@param pause_until string|number RFC 3339, or seconds since 1970
---@param options? natskit.CallOptions
---@return natskit.PauseInfo? pause
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:pause_consumer(stream, consumer, pause_until, options) end

--- Ends a pause.
---@param stream string
---@param consumer string
---@param options? natskit.CallOptions
---@return natskit.PauseInfo? pause
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:resume_consumer(stream, consumer, options) end

--- Has the consumer begin anew behind its acks, or at a sequence (server 2.14).
---@param stream string
---@param consumer string
---@param options? natskit.ResetOptions
---@return natskit.ConsumerInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:reset_consumer(stream, consumer, options) end

--- Lets another client of a pinned group have its turn (server 2.11).
---@param stream string
---@param consumer string
---@param group string
---@param options? natskit.CallOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:unpin_consumer(stream, consumer, group, options) end

--- The consumer as an object.
---@param stream string
---@param consumer string
---@param options? natskit.CallOptions
---@return natskit.consumer? consumer
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:consumer(stream, consumer, options) end

--- The same without asking the server.
---@param stream string
---@param consumer string
---@return natskit.consumer consumer
function js:bind_consumer(stream, consumer) end

--- `for msg in js:ordered("ORDERS") do`: the messages of a stream in its order, those that there are and those to come.
--- None comes twice and none is left out, whatever happens to connection, server and consumer; they need no acks.
--- What it returns first is a subscription, too. The loop raises when the stream was deleted.
---@param stream string
---@param options? natskit.OrderedOptions
---@return natskit.sub? sub
---@return string|userdata|nil message what the loop gets
---@return natskit.code? code "closed"
---@return userdata? loop what `for` closes
function js:ordered(stream, options) end

--- Publishes to a stream and waits for its ack.
---@param subject string
---@param data? string
---@param options? natskit.StreamPublishOptions
---@return natskit.PubAck? ack
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome "not_sent", "rejected", or "unknown": it may be stored all the same
function js:publish(subject, data, options) end

--- Adds to the counter of a subject (a stream with allow_msg_counter), and waits for the sum.
---@param subject string
---@param by? integer|string 1; digits where an integer is too small
---@param options? natskit.StreamPublishOptions `msg_id`, with which it is sent again and counted once; `headers`, `timeout`
---@return integer|string|nil sum digits where an integer is too small; of one that was counted before as it is by now
---@return string? message
---@return natskit.code? code "counter_refused": the stream is no counter; "invalid_ack": it has stored it, but counts nothing
---@return integer? err_code JetStream's number
---@return integer? server_code
---@return string? outcome "not_sent", "rejected", or "unknown": it may be counted all the same
function js:increment(subject, by, options) end

--- A publisher, which has many messages under way.
---@param options? natskit.PublisherOptions
---@return natskit.publisher? pub
---@return string? message
---@return natskit.code? code
function js:publisher(options) end

--- Many messages to one stream, which it acks by and by.
---@param options? natskit.IngestOptions
---@return natskit.ingest? ingest
---@return string? message
---@return natskit.code? code
function js:ingest(options) end

--- An empty atomic batch, whose messages are stored together or not at all.
---@param options? natskit.AtomicBatchOptions
---@return natskit.batch? batch
---@return string? message
---@return natskit.code? code
function js:batch(options) end

--- Makes a call by its name. Arguments and answer are the server's own, durations in nanoseconds.
---@param name string
---@param arguments? table
---@param options? natskit.CallOptions
---@return table? answer
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function js:call(name, arguments, options) end

--- Closes the context; subscriptions live on. Closing twice is harmless.
---@return boolean ok
function js:close() end

--- Publishes many messages to streams without waiting for each. The end of a <close> variable waits for the acks, as
--- done() does, and raises where that fails, unless the scope is left by an error.
---@class natskit.publisher
local publisher = {}

--- Publishes. Waits only while the window or the outbox is full.
---@param subject string
---@param data? string
---@param options? natskit.StreamPublishOptions
---@return integer? id number of the message, from 1 on
---@return string? message
---@return natskit.code? code
function publisher:publish(subject, data, options) end

--- Publishes many messages, which have no reply. Stops at the first that cannot be accepted.
---@param list natskit.Outgoing[]
---@param options? natskit.BatchOptions
---@return integer? count
---@return integer[]|string ids numbers of the messages; on failure a message
---@return natskit.code? code
---@return integer? accepted on failure: how many were accepted all the same
---@return integer[]? accepted_ids and their numbers
function publisher:publish_batch(list, options) end

--- `for id, seq, code, text in pub:acks() do`: one outcome for each message that failed, or with acks = "all" for each
--- message; seq is nil if it is not known to be stored.
---@param timeout? number seconds
---@return fun(): integer?, integer?, natskit.code?, string? iterator
---@return nil
---@return nil
---@return userdata loop
function publisher:acks(timeout) end

--- Takes the next outcome.
---@param timeout? number seconds; without it, for ever
---@return natskit.Outcome? outcome
---@return string? message
---@return natskit.code? code "timeout", "would_block" (timeout 0), "end"
function publisher:next_ack(timeout) end

--- Waits until all that was published before has its outcome: true if all is stored. Else the failures that nobody has
--- taken, which it takes; with acks = "all" it takes nothing, and tells how many are to be taken ("js_refused").
---@param timeout? number seconds (30)
---@return boolean? ok
---@return string? message
---@return natskit.code? code of the first failure
---@return natskit.Outcome[]? failures
function publisher:done(timeout) end

--- How it is doing; after a close how it was then.
---@return natskit.PublisherInfo? info
---@return string? message
---@return natskit.code? code
function publisher:info() end

--- Ends it: what has no outcome yet gets "closed". Outcomes can still be taken. Closing twice is harmless.
---@return boolean ok
function publisher:close() end

--- A stream, and the info that was got last.
---@class natskit.stream
---@field name string
---@field cached_info natskit.StreamInfo
local stream = {}

--- Asks the server.
---@param options? natskit.StreamInfoOptions
---@return natskit.StreamInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:info(options) end

--- Changes what is given, and keeps all else.
---@param config natskit.StreamConfig
---@param options? natskit.CallOptions
---@return natskit.StreamInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:update(config, options) end

--- Removes messages.
---@param options? natskit.PurgeOptions
---@return integer? purged how many
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:purge(options) end

--- Deletes the stream.
---@param options? natskit.CallOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:delete(options) end

--- A message as the stream keeps it.
---@param query natskit.MsgQuery
---@return natskit.StoredMsg? msg
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:get_msg(query) end

--- Deletes a message.
---@param seq integer
---@param options? natskit.DeleteMsgOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:delete_msg(seq, options) end

--- Creates a consumer.
---@param config natskit.ConsumerConfig
---@param options? natskit.CallOptions
---@return natskit.consumer? consumer
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:add_consumer(config, options) end

--- Changes what is given of a consumer.
---@param config natskit.ConsumerConfig
---@param options? natskit.CallOptions
---@return natskit.consumer? consumer
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:update_consumer(config, options) end

--- Creates a consumer, or gives one that exists this configuration.
---@param config natskit.ConsumerConfig
---@param options? natskit.CallOptions
---@return natskit.consumer? consumer
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:create_or_update_consumer(config, options) end

--- A consumer of the stream as an object.
---@param name string
---@param options? natskit.CallOptions
---@return natskit.consumer? consumer
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:consumer(name, options) end

--- Names of its consumers.
---@param options? natskit.CallOptions
---@return string[]? names
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:consumer_names(options) end

--- Infos of its consumers.
---@param options? natskit.CallOptions
---@return natskit.ConsumerInfo[]? infos
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:consumers(options) end

--- Deletes a consumer.
---@param name string
---@param options? natskit.CallOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function stream:delete_consumer(name, options) end

--- A consumer, and the info that was got last.
---@class natskit.consumer
---@field name string
---@field stream_name string
---@field cached_info? natskit.ConsumerInfo
local consumer = {}

--- Asks the server.
---@param options? natskit.CallOptions
---@return natskit.ConsumerInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function consumer:info(options) end

--- Changes what is given, and keeps all else.
---@param config natskit.ConsumerConfig
---@param options? natskit.CallOptions
---@return natskit.ConsumerInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function consumer:update(config, options) end

--- Has it deliver nothing until then.
---@param pause_until string|number RFC 3339, or seconds since 1970
---@param options? natskit.CallOptions
---@return natskit.PauseInfo? pause
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function consumer:pause(pause_until, options) end

--- Ends a pause.
---@param options? natskit.CallOptions
---@return natskit.PauseInfo? pause
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function consumer:resume(options) end

--- Has it begin anew behind its acks, or at a sequence.
---@param options? natskit.ResetOptions
---@return natskit.ConsumerInfo? info
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function consumer:reset(options) end

--- Lets another client of a pinned group have its turn.
---@param group string
---@param options? natskit.CallOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function consumer:unpin(group, options) end

--- Deletes it.
---@param options? natskit.CallOptions
---@return boolean? ok
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function consumer:delete(options) end

--- Asks once. Nothing there is no failure: an empty list.
---@param n? integer (100)
---@param options? natskit.FetchOptions
---@return natskit.msg[]? msgs
---@return string? message why it ended
---@return natskit.code? code of that: "max_reached", "timeout", "not_found" (no more), or a failure's
---@return integer? err_code
---@return integer? server_code
function consumer:fetch(n, options) end

--- One message.
---@param options? number|natskit.FetchOptions seconds, or more (30)
---@return natskit.msg? msg
---@return string? message
---@return natskit.code? code
---@return integer? err_code JetStream's number
---@return integer? server_code
function consumer:next(options) end

--- `for msg in consumer:messages() do`: asks again and again, and closes its subscription when the loop is left.
--- Raises if no more messages can come though nobody has ended it: (consumer_deleted) with abort_on_missing.
---@param options? natskit.ConsumeOptions
---@return (fun(): natskit.msg?)? iterator
---@return string? message nil for a loop
---@return natskit.code? code nil for a loop
---@return userdata? loop what `for` closes
function consumer:messages(options) end

--- A subscription that asks again and again, so that messages are always ahead.
---@param options? natskit.ConsumeOptions
---@return natskit.sub? sub
---@return string? message
---@return natskit.code? code
function consumer:consume(options) end

---@class natskit.PullInfo
---@field open_pulls integer requests that wait at the server
---@field ahead_msgs integer asked for and still to come
---@field ahead_bytes integer the same if there is a limit of bytes
---@field pulls integer requests made, as the other counters since the begin
---@field msgs integer
---@field bytes integer
---@field heartbeats integer
---@field statuses integer without heartbeats
---@field unknown integer of those, or what else came
---@field missed integer how often two heartbeats in a row did not come
---@field given_up integer requests that the server did not end in time
---@field infos integer how often the consumer's info was asked for
---@field missing boolean there is no such consumer at the moment
---@field paused boolean it waits before it asks again
---@field last_code integer of the last status
---@field last_text string

---@class natskit.sub
local sub = {}

--- What a subscription of consumer:consume has asked for.
---@return natskit.PullInfo? info
---@return string? message
---@return natskit.code? code "not_found" of other subscriptions
function sub:pull_info() end
