//! A storage that speaks S3, in this process, and misbehaves when told to. One question: was each request one that a real one would take?
//!
//! It speaks what `object_store` sends: PUT, GET (of ranges, too), HEAD, DELETE, ListObjectsV2 in pages, DeleteObjects. A request whose
//! signature, date or digest is not right is refused as S3 refuses it. It reads HTTP/1.1 by hand, so that it can break off anywhere.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, Mac as _};
use samverkan::contents::S3Environment;
use samverkan::identity::summary::hex;
use samverkan::server::{AttachmentSettings, AttachmentStorage};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub(crate) const BUCKET: &str = "incidents";
pub(crate) const PREFIX: &str = "attachments/here";
pub(crate) const KEY_ID: &str = "AKIDOFTESTS";
pub(crate) const SECRET: &str = "SECRET-OF-THE-STORAGE-THAT-NOBODY-SENDS";
const REGION: &str = "eu-north-1";
/// Objects in one page of a list: few, so that there are many pages.
const PAGE: usize = 3;

/// How it misbehaves. Each but `Wait` is done to requests of one method, or of all if that is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Answers with this status and code.
    Refuse(u16, &'static str),
    /// Breaks off while the body of a request comes in.
    CutRequest,
    /// Breaks off in the middle of the body of an answer.
    CutAnswer,
    /// Sends elsewhere.
    Redirect(String),
    /// Answers nothing before the trouble ends.
    Wait,
}

struct Object {
    bytes: Vec<u8>,
    modified: SystemTime,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    /// What goes wrong, for which method, and how many times.
    trouble: Option<(Trouble, &'static str, usize)>,
    /// What was asked: method and target.
    asked: Vec<String>,
    /// Every head of a request.
    heads: Vec<u8>,
    /// What a real one would not have taken.
    wrong: Vec<String>,
}

/// A storage, until it is dropped.
pub(crate) struct Fake {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Requests that have come in, and changes of the trouble.
    news: Arc<watch::Sender<u64>>,
    task: AbortHandle,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (state, news) = (Arc::<Mutex<State>>::default(), Arc::new(watch::Sender::new(0)));
        let shared = (state.clone(), news.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(serve(connection, shared.0.clone(), shared.1.clone()));
            }
        });
        Self { address, state, news, task: task.abort_handle() }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// As a server's configuration and environment would say it.
    pub(crate) fn settings(&self) -> AttachmentSettings {
        let environment = S3Environment::new(environment(SECRET));
        let (url, endpoint) = (format!("s3://{BUCKET}/{PREFIX}"), Some(self.endpoint()));
        let kept = Some(AttachmentStorage::S3 { url, endpoint, environment });
        AttachmentSettings { kept, ..AttachmentSettings::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    /// From now on, so many times. The one before is over.
    pub(crate) fn trouble(&self, trouble: Trouble, method: &'static str, times: usize) {
        self.state().trouble = Some((trouble, method, times));
        self.news.send_modify(|news| *news += 1);
    }

    pub(crate) fn no_trouble(&self) {
        self.state().trouble = None;
        self.news.send_modify(|news| *news += 1);
    }

    /// Waits until something like this was asked.
    pub(crate) async fn asked_for(&self, is: impl Fn(&str) -> bool) {
        let mut news = self.news.subscribe();
        news.wait_for(|_| self.state().asked.iter().any(|asked| is(asked))).await.expect("it runs");
    }

    /// Waits until no object but these is there, and all of these.
    pub(crate) async fn holds(&self, names: &[String]) {
        let mut news = self.news.subscribe();
        news.wait_for(|_| self.names() == names).await.expect("it runs");
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    pub(crate) fn forget_asked(&self) {
        self.state().asked.clear();
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        self.state().objects[name].bytes.clone()
    }

    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        self.state().objects.insert(name.to_owned(), Object { bytes, modified: SystemTime::now() });
    }

    pub(crate) fn lose(&self, name: &str) {
        self.state().objects.remove(name).expect("it was there");
    }

    /// Everything that is there was put there so much earlier.
    pub(crate) fn age(&self, by: Duration) {
        self.state().objects.values_mut().for_each(|object| object.modified -= by);
    }

    /// Each request was one that a real storage takes, and none gave the secret away.
    pub(crate) fn was_asked_rightly(&self) {
        let state = self.state();
        assert_eq!(state.wrong, Vec::<String>::new());
        assert!(!state.asked.is_empty());
        let heads = String::from_utf8_lossy(&state.heads);
        assert!(heads.contains(KEY_ID) && !heads.contains(SECRET));
        assert!(state.objects.values().all(|object| !contains(&object.bytes, SECRET.as_bytes())));
    }
}

/// What a server's environment says of the storage, to whoever has this secret.
pub(crate) fn environment(secret: &str) -> [(&'static str, String); 3] {
    [("AWS_ACCESS_KEY_ID", KEY_ID.into()), ("AWS_SECRET_ACCESS_KEY", secret.into()), ("AWS_REGION", REGION.into())]
}

pub(crate) fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|part| part == what)
}

struct Request {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn asks(&self, name: &str) -> Option<String> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| decoded(value))
    }
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: String::new(), body: body.into() }
    }

    fn error(status: u16, code: &str) -> Self {
        Self::new(status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>No.</Message></Error>"))
    }
}

async fn serve(mut connection: TcpStream, state: Arc<Mutex<State>>, news: Arc<watch::Sender<u64>>) -> io::Result<()> {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if connection.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let head: Vec<u8> = read.drain(..end).collect();
        let mut request = parse(&String::from_utf8_lossy(&head));
        let trouble = {
            let mut state = state.lock().expect("not poisoned");
            state.heads.extend(&head);
            let query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            state.asked.push(format!("{} {}?{}", request.method, request.path, query.join("&")));
            match &mut state.trouble {
                Some((trouble, method, times)) if *times > 0 && request.method.starts_with(*method) => {
                    *times -= 1;
                    Some(trouble.clone())
                }
                _ => None,
            }
        };
        news.send_modify(|news| *news += 1);
        let length: usize = request.header("content-length").parse().unwrap_or(0);
        while read.len() < length {
            if trouble == Some(Trouble::CutRequest) && read.len() > length / 2 {
                return Ok(());
            }
            if connection.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        request.body = read.drain(..length).collect();
        let mut answer = match &trouble {
            Some(Trouble::Refuse(status, code)) => Answer::error(*status, code),
            Some(Trouble::CutRequest) => return Ok(()),
            Some(Trouble::Redirect(to)) => {
                let headers = format!("Location: {to}{}\r\n", request.path);
                Answer { headers, ..Answer::new(307, "") }
            }
            Some(Trouble::Wait) => {
                let mut news = news.subscribe();
                let is_over = |_: &u64| {
                    let state = state.lock().expect("not poisoned");
                    !state.trouble.as_ref().is_some_and(|(trouble, ..)| *trouble == Trouble::Wait)
                };
                news.wait_for(is_over).await.map_err(io::Error::other)?;
                answer(&request, &mut state.lock().expect("not poisoned"))
            }
            Some(Trouble::CutAnswer) | None => answer(&request, &mut state.lock().expect("not poisoned")),
        };
        let head =
            format!("HTTP/1.1 {} S3\r\nContent-Length: {}\r\n{}\r\n", answer.status, answer.body.len(), answer.headers);
        if request.method == "HEAD" {
            answer.body.clear();
        }
        connection.write_all(head.as_bytes()).await?;
        if trouble == Some(Trouble::CutAnswer) {
            return connection.write_all(&answer.body[..answer.body.len() / 2]).await;
        }
        connection.write_all(&answer.body).await?;
        news.send_modify(|news| *news += 1);
    }
}

fn parse(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.to_owned())
    };
    let query = query.split('&').filter(|query| !query.is_empty()).map(pair).collect();
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    Request { method, path: path.to_owned(), query, headers: lines.filter_map(header).collect(), body: Vec::new() }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap_or_default(), rest.next().unwrap_or_default()];
                u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).expect("two digits")
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("text")
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Why a real one would not take it: Signature Version 4, and the digest of the body.
fn refused(request: &Request) -> Option<&'static str> {
    let digest = hex(&Sha256::digest(&request.body));
    if request.header("x-amz-content-sha256") != digest {
        return Some("XAmzContentSHA256Mismatch");
    }
    let rest = request.header("authorization").strip_prefix("AWS4-HMAC-SHA256 Credential=");
    let Some((credential, rest)) = rest.and_then(|rest| rest.split_once(", SignedHeaders=")) else {
        return Some("AccessDenied");
    };
    let Some((signed, signature)) = rest.split_once(", Signature=") else { return Some("AccessDenied") };
    let date = request.header("x-amz-date");
    let scope = format!("{}/{REGION}/s3/aws4_request", date.get(..8).unwrap_or_default());
    if credential != format!("{KEY_ID}/{scope}") {
        return Some("InvalidAccessKeyId");
    }
    if ["host", "x-amz-content-sha256", "x-amz-date"].iter().any(|name| !signed.split(';').any(|it| it == *name)) {
        return Some("AccessDenied");
    }
    let mut query = request.query.clone();
    query.sort();
    let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers: String = signed.split(';').map(|name| format!("{name}:{}\n", request.header(name))).collect();
    let canonical = format!("{}\n{}\n{}\n{headers}\n{signed}\n{digest}", request.method, request.path, query.join("&"));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part);
    }
    (signature != hex(&mac(&key, &to_sign))).then_some("SignatureDoesNotMatch")
}

fn answer(request: &Request, state: &mut State) -> Answer {
    if let Some(code) = refused(request) {
        state.wrong.push(format!("{code}: {} {}", request.method, request.path));
        return Answer::error(403, code);
    }
    let bucket = format!("/{BUCKET}");
    let Some(name) = request.path.strip_prefix(&bucket) else { return Answer::error(404, "NoSuchBucket") };
    let name = decoded(name.trim_start_matches('/'));
    match (&request.method[..], name.is_empty()) {
        ("GET", true) if request.asks("list-type").as_deref() == Some("2") => list(request, state),
        ("POST", true) if request.asks("delete").is_some() => {
            let body = String::from_utf8_lossy(&request.body);
            let names = body.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
            let mut deleted = String::new();
            for name in names {
                state.objects.remove(name);
                deleted.push_str(&format!("<Deleted><Key>{name}</Key></Deleted>"));
            }
            Answer::new(200, format!("<?xml version=\"1.0\"?><DeleteResult>{deleted}</DeleteResult>"))
        }
        ("PUT", false) => {
            let etag = etag(&request.body);
            state.objects.insert(name, Object { bytes: request.body.clone(), modified: SystemTime::now() });
            Answer { headers: format!("ETag: {etag}\r\n"), ..Answer::new(200, "") }
        }
        ("DELETE", false) => {
            state.objects.remove(&name);
            Answer::new(204, "")
        }
        ("GET" | "HEAD", false) => match state.objects.get(&name) {
            Some(object) => get(request, object),
            None => Answer::error(404, "NoSuchKey"),
        },
        _ => {
            state.wrong.push(format!("{} {} {:?}", request.method, request.path, request.query));
            Answer::error(405, "MethodNotAllowed")
        }
    }
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &hex(&Sha256::digest(bytes))[..32])
}

fn get(request: &Request, object: &Object) -> Answer {
    let whole = object.bytes.len();
    let range = request.header("range").strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let (status, from, to) = match range {
        None => (200, 0, whole),
        Some((from, to)) => {
            (206, from.parse().expect("a number"), to.parse::<usize>().map_or(whole, |to| whole.min(to + 1)))
        }
    };
    let mut headers = format!("ETag: {}\r\nLast-Modified: {}\r\n", etag(&object.bytes), http_date(object.modified));
    if status == 206 {
        headers.push_str(&format!("Content-Range: bytes {from}-{}/{whole}\r\n", to - 1));
    }
    Answer { status, headers, body: object.bytes[from..to].to_vec() }
}

fn list(request: &Request, state: &State) -> Answer {
    let prefix = request.asks("prefix").unwrap_or_default();
    let after = request.asks("continuation-token").or(request.asks("start-after")).unwrap_or_default();
    let mut found = state.objects.iter().filter(|(name, _)| name.starts_with(&prefix) && **name > after);
    let page: Vec<_> = found.by_ref().take(PAGE).collect();
    let mut body = String::from("<?xml version=\"1.0\"?><ListBucketResult>");
    for (name, object) in &page {
        let modified = jiff::Timestamp::try_from(object.modified).expect("a time").to_string();
        let (size, etag) = (object.bytes.len(), etag(&object.bytes).replace('"', "&quot;"));
        body.push_str(&format!(
            "<Contents><Key>{name}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{size}</Size></Contents>"
        ));
    }
    let more = found.next().is_some();
    body.push_str(&format!("<IsTruncated>{more}</IsTruncated>"));
    if let (true, Some((last, _))) = (more, page.last()) {
        body.push_str(&format!("<NextContinuationToken>{last}</NextContinuationToken>"));
    }
    Answer::new(200, body + "</ListBucketResult>")
}

fn http_date(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).expect("a time").to_zoned(jiff::tz::TimeZone::UTC);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
