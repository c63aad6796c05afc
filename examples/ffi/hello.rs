// natskit from Rust, without a crate. natskit.rs beside this file is made by rust_declarations.py:
//
//     python3 rust_declarations.py $(pkg-config --variable=abi natskit) natskit.rs
//     rustc hello.rs -L $(pkg-config --variable=libdir natskit) && ./hello
mod natskit;

use natskit::*;
use std::ffi::{c_char, c_void, CStr};
use std::mem::{size_of, zeroed};
use std::ptr::{null, null_mut};

// A message that is released with its owner.
struct Message(*mut natskit_msg);

impl Drop for Message {
    fn drop(&mut self) {
        unsafe { natskit_msg_release(self.0) };
    }
}

impl Message {
    fn next(sub: natskit_sub, timeout_ms: i64) -> Message {
        let mut out = null_mut();
        check(unsafe { natskit_sub_next(sub, timeout_ms, &mut out) });
        Message(out)
    }

    // What a view points to lives as long as the message: the borrow says so.
    fn subject_and_data(&self) -> (&str, &[u8]) {
        unsafe {
            let mut view: natskit_message_view = zeroed();
            check(natskit_msg_view(self.0, &mut view, size_of::<natskit_message_view>()));
            let subject = std::slice::from_raw_parts(view.subject as *const u8, view.subject_len);
            let data = std::slice::from_raw_parts(view.data as *const u8, view.data_len);
            (std::str::from_utf8(subject).unwrap(), data)
        }
    }
}

fn check(status: natskit_status) {
    if status != NATSKIT_OK {
        let mut info: natskit_status_info = unsafe { zeroed() };
        unsafe { natskit_status_describe(status, &mut info, size_of::<natskit_status_info>()) };
        panic!("{}", unsafe { CStr::from_ptr(info.name) }.to_str().unwrap());
    }
}

fn bytes(text: &str) -> (*const c_char, usize) {
    (text.as_ptr() as *const c_char, text.len())
}

fn subscribe(conn: natskit_conn, subject: &str) -> Result<natskit_sub, String> {
    let (mut sub, (text, length)) = (natskit_sub::default(), bytes(subject));
    let mut err: natskit_error = unsafe { zeroed() };
    let none = natskit_options::default();
    match unsafe { natskit_subscribe(conn, text, length, null(), 0, none, &mut sub, &mut err) } {
        NATSKIT_OK => Ok(sub),
        _ => Err(unsafe { CStr::from_ptr(err.text.as_ptr()) }.to_string_lossy().into_owned()),
    }
}

fn main() {
    let mut version = null();
    check(unsafe { natskit_version(null_mut(), null_mut(), &mut version) });
    println!("natskit {}", unsafe { CStr::from_ptr(version) }.to_str().unwrap());

    let url = std::env::var("NATS_URL").unwrap_or("nats://127.0.0.1:4222".to_string());
    let (mut conn, (text, length)) = (natskit_conn::default(), bytes(&url));
    let (options, headers) = (natskit_options::default(), natskit_headers::default());
    check(unsafe { natskit_connect(text, length, options, 5000, &mut conn, null_mut()) });
    let sub = subscribe(conn, "greet.*").unwrap();
    let (text, length) = bytes("greet.joe");
    let payload = "hello".as_ptr() as *const c_void;
    check(unsafe { natskit_publish(conn, text, length, null(), 0, headers, payload, 5, 1000) });
    let msg = Message::next(sub, 5000);
    let (subject, data) = msg.subject_and_data();
    println!("{}: {}", subject, String::from_utf8_lossy(data));

    // A request to ourselves: one waitset reports the question as well as the answer, by the tags that it was given.
    const QUESTION: u64 = 1;
    const ANSWER: u64 = 2;
    let (mut waitset, mut op) = (natskit_waitset::default(), natskit_op::default());
    let (text, length) = bytes("greet.me");
    let mut answer = Message(null_mut());
    unsafe {
        check(natskit_waitset_open(&mut waitset));
        check(natskit_waitset_add(waitset, sub.id, QUESTION));
        let payload = "6 * 7".as_ptr() as *const c_void;
        check(natskit_request_start(conn, text, length, headers, payload, 5, options, 5000, &mut op, null_mut()));
        check(natskit_waitset_add(waitset, op.id, ANSWER));
        let mut ready: natskit_ready = zeroed();
        let mut count = 0;
        while ready.tag != ANSWER {
            check(natskit_waitset_wait(waitset, &mut ready, size_of::<natskit_ready>(), 1, 5000, &mut count));
            if ready.tag == QUESTION {
                let question = Message::next(sub, 0);
                check(natskit_msg_respond(question.0, headers, "42".as_ptr() as *const c_void, 2, 1000));
            }
        }
        check(natskit_op_take_msg(op, &mut answer.0));
        check(natskit_op_close(op));
        check(natskit_waitset_close(waitset));
    }
    println!("answer: {}", String::from_utf8_lossy(answer.subject_and_data().1));

    // A failure has a text; a handle that is closed is known to be, for ever.
    println!("error: {}", subscribe(conn, "not valid").unwrap_err());
    check(unsafe { natskit_sub_close(sub) });
    check(unsafe { natskit_conn_close(conn, 2000) });
    println!("closed: {}", unsafe { natskit_flush(conn, 1000) } == NATSKIT_CLOSED);
}
