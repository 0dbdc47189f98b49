//! Storage that speaks S3. One question: with whose credentials, over which way, and for how long does a caller wait for it?
//!
//! What the library beneath takes from the environment could send contents elsewhere, unsigned or without TLS; so only what is in
//! [`TAKEN`] counts, and credentials are looked for only where the environment says: no address of a cloud's metadata is asked by itself.
//! Nothing follows a redirect: a request is signed for one host, and a storage that is not trusted must not choose another.
//!
//! Whatever the storage does, a request ends: see [`Patience`]. Tested below, and in `tests/it/s3`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{HttpClient, HttpConnector};
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

use super::StorageError;

/// What is taken from the environment, and nothing else: credentials, region, and how the storage wants to be spoken to.
const TAKEN: [&str; 20] = [
    KEY_ID,
    SECRET,
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
    "AWS_IMDSV1_FALLBACK",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_DISABLE_BULK_DELETE",
    "AWS_REQUEST_PAYER",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_SSE_BUCKET_KEY_ENABLED",
];
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";

/// Where credentials can come from: each of these sets is enough.
const CREDENTIALS: [&[&str]; 5] = [
    &[KEY_ID, SECRET],
    &["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"],
    &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
    &["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
    &["AWS_METADATA_ENDPOINT"],
];

/// Other programs are told with these where the storage is; ours is told in its configuration.
const ELSEWHERE: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

/// The variables of an environment that begin with `AWS_`. What they hold is not shown by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct S3Environment(BTreeMap<String, String>);

impl S3Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        // What is no text is no credential.
        Self::new(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// One that holds these.
    pub fn new<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(variables.filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty()).collect())
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl fmt::Debug for S3Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// How long a caller waits. The library's own patience is three minutes and more for one object, longer than anybody waits for an answer.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For a connection.
    connect: Duration,
    /// For one attempt, from its beginning to the last byte of its answer.
    attempt: Duration,
    /// No attempt begins after this; so one request takes at most this, a pause and an attempt.
    retry: Duration,
}

/// For a connection: 3 seconds, two of the system's own retries.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// For one attempt: 10 seconds, so that a part of 1 MiB gets through at 1 Mbit/s.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// Since the first attempt, after which no other begins: 10 seconds.
const RETRY_WITHIN: Duration = Duration::from_secs(10);
/// Attempts after the first. With their pauses they last about three seconds, if each is refused at once: a storage that restarts or asks to
/// slow down is waited for, and an uploader who must try again is told soon.
const RETRIES_MAX: usize = 4;
/// The first pause between two attempts.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Each pause is at most so many times the one before.
const PAUSE_GROWS: f64 = 3.0;

impl Default for Patience {
    fn default() -> Self {
        Self { connect: CONNECT_MAX, attempt: ATTEMPT_MAX, retry: RETRY_WITHIN }
    }
}

/// Whether the storage may be reached this way: `https://`, or `http://` on this machine. What is sent is encrypted; who may send it, and
/// what there is and how large, is not.
pub fn check_endpoint(text: &str) -> Result<(), &'static str> {
    let url = reqwest::Url::parse(text).map_err(|_| "must be an https:// address")?;
    // `http://127.0.0.1:80@elsewhere.example` goes elsewhere.
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("must be an address without a user, a query or a fragment");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_here(&url) => Ok(()),
        _ => Err("must be an https:// address; http:// only for 127.0.0.1, [::1] or localhost"),
    }
}

fn is_here(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

/// What is at `s3://BUCKET` or `s3://BUCKET/PREFIX`.
pub(super) fn objects(
    url: &str,
    endpoint: Option<&str>,
    environment: &S3Environment,
) -> Result<Arc<dyn ObjectStore>, StorageError> {
    patient(url, endpoint, environment, Patience::default())
}

fn patient(
    url: &str,
    endpoint: Option<&str>,
    environment: &S3Environment,
    patience: Patience,
) -> Result<Arc<dyn ObjectStore>, StorageError> {
    let rest = url.strip_prefix("s3://").unwrap_or(url);
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
        return Err(StorageError::S3(format!("{bucket:?} is no name of a bucket")));
    }
    if !CREDENTIALS.iter().any(|way| way.iter().all(|name| environment.has(name))) {
        return Err(StorageError::NoCredentials);
    }
    let other = ELSEWHERE.iter().find(|name| endpoint.is_none() && environment.has(name));
    if let Some(name) = other {
        return Err(StorageError::S3(format!("{name} is set, and is not followed: say it as attachments.endpoint")));
    }
    let mut builder = AmazonS3Builder::new();
    for name in TAKEN {
        if let Some(value) = environment.0.get(name) {
            builder = builder.with_config(name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>()?, value);
        }
    }
    let mut way = Way { patience, is_here: false };
    if let Some(endpoint) = endpoint {
        check_endpoint(endpoint).map_err(|rule| StorageError::S3(format!("the endpoint {rule}")))?;
        way.is_here = reqwest::Url::parse(endpoint).is_ok_and(|url| is_here(&url));
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    let retry = RetryConfig {
        backoff: BackoffConfig { init_backoff: PAUSE_FIRST, max_backoff: PAUSE_MAX, base: PAUSE_GROWS },
        max_retries: RETRIES_MAX,
        retry_timeout: patience.retry,
    };
    let bucket = builder.with_bucket_name(bucket).with_retry(retry).with_http_connector(way).build()?;
    Ok(match prefix.trim_matches('/') {
        "" => Arc::new(bucket),
        prefix => Arc::new(PrefixStore::new(bucket, prefix)),
    })
}

/// Makes connections: to one host, for as long as a caller waits.
#[derive(Debug)]
struct Way {
    patience: Patience,
    /// Then it is no proxy's business, whatever the environment says of proxies.
    is_here: bool,
}

impl HttpConnector for Way {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allows_http =
            options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|allowed| allowed == "true");
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .https_only(!allows_http)
            .connect_timeout(self.patience.connect)
            .timeout(self.patience.attempt);
        if self.is_here {
            client = client.no_proxy();
        }
        let failed = |error| object_store::Error::Generic { store: "S3", source: Box::new(error) };
        Ok(HttpClient::new(client.build().map_err(failed)?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use object_store::ObjectStoreExt as _;
    use object_store::path::Path;
    use tokio::net::TcpListener;

    use super::*;

    fn environment() -> S3Environment {
        S3Environment::new([(KEY_ID, "id"), (SECRET, "secret")])
    }

    fn refused(url: &str, endpoint: Option<&str>, environment: &S3Environment) -> String {
        objects(url, endpoint, environment).map(|_| ()).expect_err("refused").to_string()
    }

    #[test]
    fn without_tls_it_is_on_this_machine_or_nowhere() {
        for here in ["http://127.0.0.1:9000", "http://[::1]:9000/", "http://localhost:9000", "https://s3.example"] {
            assert_eq!(check_endpoint(here), Ok(()), "{here}");
            objects("s3://bucket/prefix", Some(here), &environment()).expect(here);
        }
        for elsewhere in [
            "http://s3.example",
            "http://127.0.0.1:9000@s3.example",
            "http://localhost.example:9000",
            "http://localhost:secret@s3.example/",
            "http://10.0.0.1:9000",
            "http://169.254.169.254",
            "https://user@s3.example",
            "https://s3.example?x=y",
            "https://",
            "ftp://127.0.0.1:21",
            "127.0.0.1:9000",
            "",
        ] {
            check_endpoint(elsewhere).expect_err(elsewhere);
            assert!(
                refused("s3://bucket", Some(elsewhere), &environment()).contains("endpoint must be"),
                "{elsewhere}"
            );
        }
    }

    #[test]
    fn without_credentials_it_is_told_which_variables_are_missing_and_nobody_is_asked_for_them() {
        let id_alone = [(KEY_ID, "id")];
        let empty = [(KEY_ID, "id"), (SECRET, "")];
        for set in
            [&[][..], &id_alone[..], &empty[..], &[("AWS_ROLE_ARN", "arn")][..], &[("AWS_SKIP_SIGNATURE", "true")][..]]
        {
            let told = refused("s3://bucket", None, &S3Environment::new(set.iter().copied()));
            assert!(told.contains(KEY_ID) && told.contains(SECRET) && told.contains("AWS_METADATA_ENDPOINT"), "{told}");
        }
        objects("s3://bucket", None, &S3Environment::new([("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")]))
            .expect("said so");
    }

    #[test]
    fn the_environment_sends_nothing_elsewhere_and_its_secret_is_not_shown() {
        let mut environment = environment();
        for name in ELSEWHERE {
            environment.0.insert(name.into(), "http://elsewhere.example".into());
        }
        assert!(refused("s3://bucket", None, &environment).contains("attachments.endpoint"));
        environment.0.insert("AWS_ALLOW_HTTP".into(), "true".into());
        let objects =
            objects("s3://bucket", Some("https://s3.example"), &environment).expect("the configuration counts");
        let shown = format!("{environment:?} {objects:?} {objects}");
        assert!(shown.contains(SECRET) && !shown.contains("elsewhere.example\""), "{shown}");
        assert!(!format!("{environment:?}").contains("secret"), "{environment:?}");
        for bucket in ["s3://", "s3://a?b", "s3://a b", "s3:///prefix"] {
            assert!(refused(bucket, None, &self::environment()).contains("no name of a bucket"), "{bucket}");
        }
    }

    #[test]
    fn every_variable_that_is_taken_is_one_that_the_library_knows() {
        for name in TAKEN {
            name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>().expect(name);
        }
    }

    #[tokio::test]
    async fn storage_that_takes_connections_and_never_answers_is_given_up() {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
        let held = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((connection, _)) = silent.accept().await {
                held.push(connection);
            }
        });
        let [connect, attempt, retry] =
            [Duration::from_secs(1), Duration::from_millis(200), Duration::from_millis(300)];
        let patience = Patience { connect, attempt, retry };
        let objects = patient("s3://bucket", Some(&endpoint), &environment(), patience).expect("a storage");
        let begun = Instant::now();
        objects.get(&Path::from("a")).await.expect_err("nobody answers");
        objects.put(&Path::from("a"), "b".into()).await.expect_err("nobody answers");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        held.abort();
    }
}
