//! Promise H9: certificates are always verified, and a private CA is trusted beside the system's.

use std::sync::Arc;

use joinery::connector::{AppError, ConfigError};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair,
    NameConstraints, date_time_ymd,
};
use tokio_rustls::rustls::{
    self, ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};

use crate::{
    bench::{Token, config, connect_with, connectors},
    support::scripted_app::{Options, ScriptedApp},
};

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn ca(name: &str) -> Ca {
    CertifiedIssuer::self_signed(ca_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn intermediate(name: &str, change: impl FnOnce(&mut CertificateParams), root: &Ca) -> Ca {
    let mut params = ca_params(name);
    change(&mut params);
    CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), root).unwrap()
}

fn leaf() -> CertificateParams {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "the app");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// A server with a leaf signed by `issuer`, followed by `chain`.
fn server(params: &CertificateParams, issuer: &Ca, chain: &[&Ca], versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let mut certificates = vec![certificate.der().clone()];
    certificates.extend(chain.iter().map(|ca| ca.der().clone()));
    serve(certificates, &key, versions)
}

fn serve(certificates: Vec<CertificateDer<'static>>, key: &KeyPair, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // Not checked here: what is wrong with the certificate is for the client to find.
    let certified = CertifiedKey::new(certificates, provider.key_provider.load_private_key(key).unwrap());
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap().with_no_client_auth();
    Arc::new(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified))))
}

async fn check(server: Arc<ServerConfig>, trusted: &Ca) -> Result<(), AppError> {
    let app = ScriptedApp::with_users(1, Options { tls: Some(server), ..Options::default() }).await;
    let outcome = connect_with(&app, |config| config.ca_pem = Some(trusted.pem().into_bytes())).check().await;
    assert_eq!(app.ledger().len(), usize::from(outcome.is_ok()), "nothing is sent over a connection that is not trusted");
    outcome
}

#[tokio::test]
async fn h9_a_private_ca_is_trusted_with_either_version_of_tls_and_through_an_intermediate() {
    let root = ca("root");
    for version in [&TLS12, &TLS13] {
        assert_eq!(check(server(&leaf(), &root, &[], &[version]), &root).await, Ok(()));
    }
    let middle = intermediate("middle", |_| {}, &root);
    assert_eq!(check(server(&leaf(), &middle, &[&middle], &[&TLS13]), &root).await, Ok(()));
}

#[tokio::test]
async fn h9_bad_certificates_are_refused_each_with_its_reason() {
    const UNKNOWN: &str = "its issuer is not trusted; a private CA goes into spec.tls.caSecretRef";
    let root = ca("root");
    let with = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = leaf();
        change(&mut params);
        server(&params, &root, &[], &[&TLS13, &TLS12])
    };
    let impostor = ca("root");
    let middle = intermediate("middle", |_| {}, &root);
    let stale = intermediate("stale", |params| params.not_after = date_time_ymd(2001, 1, 1), &root);
    let narrow = intermediate(
        "narrow",
        |params| {
            let permitted_subtrees = vec![GeneralSubtree::DnsName("elsewhere.example".into())];
            let excluded_subtrees = vec![GeneralSubtree::IpAddress(rcgen::CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8))];
            params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees });
        },
        &root,
    );
    let no_ca = CertifiedIssuer::signed_by(leaf(), KeyPair::generate().unwrap(), &root).unwrap();
    let alone = KeyPair::generate().unwrap();
    let self_signed = serve(vec![leaf().self_signed(&alone).unwrap().der().clone()], &alone, &[&TLS13]);
    for (kind, server, expected) in [
        ("unknown CA", server(&leaf(), &ca("other"), &[], &[&TLS13]), Some(UNKNOWN)),
        (
            "unknown CA sent along",
            {
                let other = ca("other");
                server(&leaf(), &other, &[&other], &[&TLS13])
            },
            Some(UNKNOWN),
        ),
        ("self-signed", self_signed, Some(UNKNOWN)),
        ("same name, another key", server(&leaf(), &impostor, &[], &[&TLS13]), Some("its signature is wrong")),
        ("missing intermediate", server(&leaf(), &middle, &[], &[&TLS13]), Some(UNKNOWN)),
        ("expired", with(&|leaf| leaf.not_after = date_time_ymd(2001, 1, 1)), Some("it has expired")),
        ("not valid yet", with(&|leaf| leaf.not_before = date_time_ymd(4000, 1, 1)), Some("it is not valid yet")),
        (
            "another host",
            with(&|leaf| leaf.subject_alt_names = vec![rcgen::SanType::DnsName("other.example".try_into().unwrap())]),
            Some("it is for another host name"),
        ),
        ("no name", with(&|leaf| leaf.subject_alt_names.clear()), Some("it is for another host name")),
        (
            "for clients only",
            with(&|leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            Some("it may not be used for this"),
        ),
        ("a CA as leaf", with(&|leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), None),
        (
            "unknown critical extension",
            with(&|leaf| {
                let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
                extension.set_criticality(true);
                leaf.custom_extensions = vec![extension];
            }),
            None,
        ),
        ("expired intermediate", server(&leaf(), &stale, &[&stale], &[&TLS13]), None),
        ("name outside the intermediate's", server(&leaf(), &narrow, &[&narrow], &[&TLS13]), None),
        ("issuer that is no CA", server(&leaf(), &no_ca, &[&no_ca], &[&TLS13]), None),
    ] {
        match (check(server, &root).await, expected) {
            (Err(AppError::Tls(why)), Some(expected)) => assert_eq!(why, expected, "{kind}"),
            (Err(AppError::Tls(_)), None) => {}
            (other, _) => panic!("{kind}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn h9_a_private_ca_is_trusted_only_by_the_connector_that_names_it() {
    let root = ca("root");
    let app = ScriptedApp::with_users(1, Options { tls: Some(server(&leaf(), &root, &[], &[&TLS13])), ..Options::default() }).await;
    let connectors = connectors();
    let mut trusting = config(&app.base_url());
    trusting.ca_pem = Some(root.pem().into_bytes());
    let trusting = connectors.scim(trusting, Token::new("scripted-token")).unwrap();
    let other = connectors.scim(config(&app.base_url()), Token::new("scripted-token")).unwrap();
    assert_eq!(trusting.check().await, Ok(()));
    assert!(matches!(other.check().await, Err(AppError::Tls(_))));
}

#[tokio::test]
async fn h9_what_does_not_speak_tls_is_refused() {
    let app = ScriptedApp::start(Options::default()).await;
    let url = app.base_url().replace("http:", "https:");
    let connector = connectors().scim(config(&url), Token::new("scripted-token")).unwrap();
    assert_eq!(connector.check().await, Err(AppError::Tls("the app does not speak TLS on this port")));
    assert!(app.ledger().is_empty());
}

#[test]
fn h9_a_ca_that_cannot_be_read_is_refused_at_once() {
    let root = ca("root");
    let key = KeyPair::generate().unwrap().serialize_pem();
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key.as_str()] {
        let mut config = config("https://a.example/");
        config.ca_pem = Some(pem.as_bytes().to_vec());
        let error = connectors().scim(config, Token::new("t")).map(drop).unwrap_err();
        assert!(matches!(error, ConfigError::Ca { .. }), "{pem}: {error}");
    }
    let mut config = config("https://a.example/");
    config.ca_pem = Some(format!("{}{}", root.pem(), ca("second").pem()).into_bytes());
    assert!(connectors().scim(config, Token::new("t")).is_ok());
}
