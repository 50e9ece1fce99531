//! Promise H2: which addresses are dialled.

use joinery::connector::{AddressPolicy, AppError, ConfigError, Connectors};

use crate::{
    bench::{Token, config, system_clock},
    support::scripted_app::{Options, ScriptedApp},
};

/// Public addresses only.
const STRICT: AddressPolicy = AddressPolicy { public: true, loopback: false, private: false, allow_insecure_http: true };

/// Hosts as they may stand in a URL, and the word that the refusal must hold.
const FORBIDDEN: &[(&str, &str)] = &[
    ("127.0.0.1", "loopback"),
    ("127.1", "loopback"),
    ("127.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("0x7f000001", "loopback"),
    ("0x7f.1", "loopback"),
    ("0X7F.0x0.0x0.0x1", "loopback"),
    ("2130706433", "loopback"),
    ("0177.0.0.1", "loopback"),
    ("017700000001", "loopback"),
    ("127.0.0.1.", "loopback"),
    ("%31%32%37.0.0.1", "loopback"),
    ("１２７.０.０.１", "loopback"),
    ("127。0。0。1", "loopback"),
    ("①②⑦.⓪.⓪.①", "loopback"),
    ("[::1]", "loopback"),
    ("[0:0:0:0:0:0:0:1]", "loopback"),
    ("[0000:0000::0001]", "loopback"),
    ("[::ffff:127.0.0.1]", "loopback"),
    ("[::ffff:7f00:1]", "loopback"),
    ("[::127.0.0.1]", "loopback"),
    ("[::ffff:0:127.0.0.1]", "loopback"),
    ("[64:ff9b::127.0.0.1]", "loopback"),
    ("[2002:7f00:1::]", "loopback"),
    ("localhost", "loopback"),
    ("LOCALHOST", "loopback"),
    ("0.0.0.0", "unspecified"),
    ("0", "unspecified"),
    ("0x0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("[::]", "unspecified"),
    ("[::ffff:0.0.0.0]", "unspecified"),
    ("10.0.0.1", "private"),
    ("10.255.255.255", "private"),
    ("0xa.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.0.1", "private"),
    ("192.168.1", "private"),
    ("3232235521", "private"),
    ("100.64.0.1", "private"),
    ("100.127.255.255", "private"),
    ("198.18.0.1", "private"),
    ("[fc00::1]", "private"),
    ("[fd12:3456:789a::1]", "private"),
    ("[fec0::1]", "private"),
    ("[::ffff:10.0.0.1]", "private"),
    ("[64:ff9b:1::10.0.0.1]", "private"),
    ("[2002:a00:1::1]", "private"),
    ("169.254.169.254", "link-local"),
    ("169.254.0.1", "link-local"),
    ("0xa9fea9fe", "link-local"),
    ("2852039166", "link-local"),
    ("0xA9.0xFE.0xA9.0xFE", "link-local"),
    ("0251.0376.0251.0376", "link-local"),
    ("169.254.43518", "link-local"),
    ("[fe80::1]", "link-local"),
    ("[febf:ffff::1]", "link-local"),
    ("[::ffff:169.254.169.254]", "link-local"),
    ("[::ffff:a9fe:a9fe]", "link-local"),
    ("[::169.254.169.254]", "link-local"),
    ("[64:ff9b::a9fe:a9fe]", "link-local"),
    ("[2002:a9fe:a9fe::1]", "link-local"),
    ("168.63.129.16", "metadata"),
    ("100.100.100.200", "metadata"),
    ("[fd00:ec2::254]", "metadata"),
    ("[fd20:ce::254]", "metadata"),
    ("[fd00:c1::a9fe:a9fe]", "metadata"),
    ("192.0.0.192", "reserved"),
    ("240.0.0.1", "reserved"),
    ("[2001::1]", "reserved"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("255.255.255.255", "multicast"),
    ("0xffffffff", "multicast"),
    ("4294967295", "multicast"),
    ("[ff02::1]", "multicast"),
    ("[ff00::]", "multicast"),
];

#[tokio::test]
async fn h2_no_form_of_a_forbidden_address_is_dialled() {
    // It listens where every loopback form would end, and counts.
    let app = ScriptedApp::start(Options::default()).await;
    let port = app.address().port();
    let connectors = Connectors::new(STRICT, system_clock());
    assert!(FORBIDDEN.len() >= 60);
    for (host, word) in FORBIDDEN {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/scim/v2");
            let connector = connectors.scim(config(&url), Token::new("scripted-token")).unwrap();
            match connector.check().await {
                Err(AppError::AddressForbidden(why)) => assert!(why.contains(word), "{url}: {why}"),
                other => panic!("{url}: {other:?}"),
            }
        }
    }
    assert!(app.ledger().is_empty());
}

#[test]
fn h2_the_worst_addresses_are_forbidden_under_every_policy() {
    let policy = AddressPolicy { public: true, loopback: true, private: true, allow_insecure_http: true };
    for address in [
        "169.254.169.254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "fd00:ec2::254",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ] {
        assert!(policy.check(address.parse().unwrap()).is_err(), "{address}");
    }
    for address in ["127.0.0.1", "::1", "10.0.0.1", "fd12::1", "192.168.1.1"] {
        assert!(policy.check(address.parse().unwrap()).is_ok(), "{address}");
    }
}

#[test]
fn h2_public_addresses_are_forbidden_where_only_others_are_named() {
    let policy = AddressPolicy { public: false, ..AddressPolicy::default() };
    assert!(policy.check("8.8.8.8".parse().unwrap()).is_err());
    assert!(policy.check("10.0.0.1".parse().unwrap()).is_ok());
}

#[test]
fn h2_public_addresses_are_allowed_right_up_to_the_borders() {
    for address in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:2800:220:1::1",
        "2001:db9::1",
        "2001:1::1",
        "fbff::1",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "::ffff:8.8.8.8",
    ] {
        assert_eq!(STRICT.check(address.parse().unwrap()), Ok(()), "{address}");
    }
}

#[test]
fn h2_plain_http_is_for_loopback_hosts_unless_the_operator_says_otherwise() {
    let connectors = |allow| Connectors::new(AddressPolicy { allow_insecure_http: allow, ..AddressPolicy::default() }, system_clock());
    let make = |allow, url: &str| connectors(allow).scim(config(url), Token::new("t")).map(drop);
    for url in
        ["http://127.0.0.1/scim", "http://[::1]:8080/scim", "http://localhost/scim", "http://app.localhost./scim", "https://a.example/scim"]
    {
        assert_eq!(make(false, url), Ok(()), "{url}");
    }
    for url in
        ["http://a.example/scim", "http://10.0.0.1/", "http://localhost.example/", "http://notlocalhost/", "http://127.0.0.1.example/"]
    {
        assert_eq!(make(false, url), Err(ConfigError::Insecure), "{url}");
        assert_eq!(make(true, url), Ok(()), "{url}");
    }
}

#[test]
fn h2_a_base_url_is_a_scheme_a_host_and_a_path() {
    let connectors = Connectors::new(AddressPolicy::default(), system_clock());
    for url in [
        "ftp://a.example/",
        "file:///etc/passwd",
        "data:,x",
        "https://user@a.example/",
        "https://user:secret@a.example/",
        "https://a.example@127.0.0.1/",
        "https://a.example/?x=1",
        "https://a.example/#x",
    ] {
        let error = connectors.scim(config(url), Token::new("t")).map(drop).unwrap_err();
        assert!(matches!(error, ConfigError::BaseUrl { .. }), "{url}: {error}");
        assert!(!error.to_string().contains("secret"));
    }
    for url in ["https://", "https://[::1", "https://a b/", "https://256.256.256.256/", "https://[fe80::1%25eth0]/"] {
        assert!(url.parse::<url::Url>().is_err(), "{url}");
    }
}

#[tokio::test]
async fn h2_a_name_is_resolved_and_its_addresses_are_checked() {
    let app = ScriptedApp::with_users(1, Options::default()).await;
    let url = format!("http://localhost:{}/scim/v2", app.address().port());
    let connectors = Connectors::new(AddressPolicy::default(), system_clock());
    assert_eq!(connectors.scim(config(&url), Token::new("scripted-token")).unwrap().check().await, Ok(()));
    assert_eq!(app.ledger().len(), 1);
}
