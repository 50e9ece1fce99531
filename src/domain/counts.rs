//! What plans and runs count. Counts are all that leaves the store: no person is ever named in a status.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

macro_rules! counts {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name { $($(#[$field_doc])* pub $field: u64,)+ }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                $(self.$field += other.$field;)+
            }
        }
    };
}

counts! {
    /// People and records of an import, by what happens to them.
    ImportCounts {
        /// People created.
        new,
        /// Records linked to people who were there.
        matched,
        /// People whose attributes change.
        updated,
        /// Linked records that change nothing.
        unchanged,
        /// People deactivated.
        deactivated,
        /// People suspended.
        suspended,
        /// Links ended because the record is gone.
        unassigned,
        /// People made active again.
        reactivated,
        /// Records that wait for a decision.
        pending,
        /// Records left out, such as inactive ones that nobody is linked to (TD-5).
        ignored,
        /// Records that could not be mapped or would collide; they are left as they are.
        failed,
        /// People who would lose something and are protected (SO-5).
        protected,
    }
}

impl ImportCounts {
    /// Is there anything that changes the directory?
    pub fn changes(&self) -> u64 {
        self.new + self.matched + self.updated + self.deactivated + self.suspended + self.unassigned + self.reactivated
    }
}

counts! {
    /// Accounts of a provisioning pass, by what happens to them.
    ProvisionCounts {
        /// Accounts created by a POST.
        create,
        /// Accounts found in the app and taken over (TA-3).
        adopt,
        /// Accounts whose attributes are written.
        update,
        /// Accounts deactivated.
        deactivate,
        /// Accounts made active again (TA-11).
        reactivate,
        /// Accounts that need nothing.
        unchanged,
        /// People who would lose their account and are protected (SO-5).
        protected,
    }
}

impl ProvisionCounts {
    /// The number of accounts that are written to or taken over.
    pub fn changes(&self) -> u64 {
        self.create + self.adopt + self.update + self.deactivate + self.reactivate
    }
}
