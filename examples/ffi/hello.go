// natskit from Go, by cgo, which reads natskit.h itself: `go run hello.go`.
package main

/*
#cgo pkg-config: natskit
#include <natskit.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"unsafe"
)

func check(status C.natskit_status) {
	if status == C.NATSKIT_OK {
		return
	}
	var info C.natskit_status_info
	C.natskit_status_describe(status, &info, C.sizeof_natskit_status_info)
	panic(errors.New(C.GoString(info.name)))
}

// What a call reads only until it returns may lie in Go's memory.
func bytes(text string) (*C.char, C.size_t) {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.size_t(len(text))
}

func nextMsg(sub C.natskit_sub, timeout C.int64_t) *C.natskit_msg {
	var msg *C.natskit_msg
	check(C.natskit_sub_next(sub, timeout, &msg))
	return msg
}

func viewOf(msg *C.natskit_msg) (subject, data string) {
	var view C.natskit_message_view
	check(C.natskit_msg_view(msg, &view, C.sizeof_natskit_message_view))
	return C.GoStringN(view.subject, C.int(view.subject_len)), string(C.GoBytes(view.data, C.int(view.data_len)))
}

func publish(conn C.natskit_conn, subject, data string) {
	s, sLen := bytes(subject)
	d, dLen := bytes(data)
	check(C.natskit_publish(conn, s, sLen, nil, 0, C.natskit_headers{}, unsafe.Pointer(d), dLen, 1000))
}

func main() {
	var version *C.char
	check(C.natskit_version(nil, nil, &version))
	fmt.Println("natskit", C.GoString(version))

	url := os.Getenv("NATS_URL")
	if url == "" {
		url = "nats://127.0.0.1:4222"
	}
	var conn C.natskit_conn
	var sub C.natskit_sub
	var err C.natskit_error
	text, length := bytes(url)
	check(C.natskit_connect(text, length, C.natskit_options{}, 5000, &conn, &err))
	text, length = bytes("greet.*")
	check(C.natskit_subscribe(conn, text, length, nil, 0, C.natskit_options{}, &sub, &err))
	publish(conn, "greet.joe", "hello")
	msg := nextMsg(sub, 5000)
	subject, data := viewOf(msg)
	fmt.Printf("%s: %s\n", subject, data)
	check(C.natskit_msg_release(msg))

	// A request to ourselves: one waitset reports the question as well as the answer, by the tags that it was given.
	const question, answer = 1, 2
	var waitset C.natskit_waitset
	var op C.natskit_op
	var ready C.natskit_ready
	var count C.size_t
	check(C.natskit_waitset_open(&waitset))
	check(C.natskit_waitset_add(waitset, sub.id, question))
	text, length = bytes("greet.me")
	payload, payloadLength := bytes("6 * 7")
	check(C.natskit_request_start(conn, text, length, C.natskit_headers{}, unsafe.Pointer(payload), payloadLength,
		C.natskit_options{}, 5000, &op, &err))
	check(C.natskit_waitset_add(waitset, op.id, answer))
	for ready.tag != answer {
		check(C.natskit_waitset_wait(waitset, &ready, C.sizeof_natskit_ready, 1, 5000, &count))
		if ready.tag == question {
			asked := nextMsg(sub, 0)
			reply, replyLength := bytes("42")
			check(C.natskit_msg_respond(asked, C.natskit_headers{}, unsafe.Pointer(reply), replyLength, 1000))
			check(C.natskit_msg_release(asked))
		}
	}
	check(C.natskit_op_take_msg(op, &msg))
	_, data = viewOf(msg)
	fmt.Println("answer:", data)
	check(C.natskit_msg_release(msg))
	check(C.natskit_op_close(op))
	check(C.natskit_waitset_close(waitset))

	// A failure has a text; a handle that is closed is known to be, for ever.
	var none C.natskit_sub
	text, length = bytes("not valid")
	C.natskit_subscribe(conn, text, length, nil, 0, C.natskit_options{}, &none, &err)
	fmt.Println("error:", C.GoString(&err.text[0]))
	check(C.natskit_sub_close(sub))
	check(C.natskit_conn_close(conn, 2000))
	fmt.Println("closed:", C.natskit_flush(conn, 1000) == C.NATSKIT_CLOSED)
}
