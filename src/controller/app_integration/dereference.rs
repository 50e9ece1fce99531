//! What an AppIntegration names: its private CA, and what the store holds of it.

use kube::ResourceExt as _;

use super::{super::secrets, key};
use crate::{
    api::AppIntegration,
    connector::CredentialError,
    controller::{context::Context, driver::Error, replaced, secrets::SecretKey},
    store::AccountCounts,
};

pub(super) struct Found {
    /// The private CA, if one is named.
    pub(super) ca: Option<Result<String, CredentialError>>,
    pub(super) accounts: AccountCounts,
    pub(super) store: replaced::Seen,
}

pub(super) async fn run(integration: &AppIntegration, cx: &Context) -> Result<Found, Error> {
    let ca = match &integration.spec.tls {
        Some(tls) => {
            let at = SecretKey {
                namespace: integration.namespace().unwrap_or_default(),
                secret: tls.ca_secret_ref.name.clone(),
                key: tls.ca_secret_ref.key.clone(),
            };
            match secrets::read_value(&cx.client, &at).await {
                Err(error @ CredentialError::Unavailable { .. }) => return Err(Error::Secret(error)),
                other => Some(other),
            }
        }
        None => None,
    };
    let store = cx.store()?;
    let accounts = store.account_counts(&key(integration)).await?;
    Ok(Found { ca, accounts, store: replaced::look_and_take_up(integration, store.as_ref()).await? })
}
