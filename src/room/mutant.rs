//! Mistakes that one could plausibly make in the core, each behind a switch. One question: would a test notice?
//!
//! Only a build with the feature `danger` can switch one on, for one thread, and the only one who does is `tests/it/mutants.rs`. In every
//! other build [`is_on`] is `false` at compile time, and no trace of the mistakes is left.

/// A mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// A consent still holds at the very moment of its expiry: `<` for `<=`.
    ExpiryOneLate,
    /// Consent that is given later opens what was posted before.
    WideningLooksBack,
    /// A name that nobody was shown by is taken for nobody's.
    UnknownNameIsNobody,
    /// A change of terms ends no consent.
    TermsEndNothing,
    /// TLP:RED is for the organisations of its persons.
    RedForColleagues,
    /// A relay is checked when it is published, and not when it is delivered.
    RelayCheckedOnce,
    /// A relay asks all of its sources but the first.
    RelayForgetsASource,
    /// A relay is for whom its parents' own recipients leave out.
    RelayForgetsRecipients,
    /// A relay is made of what was for the coordinator only.
    RelayForgetsCoordinatorOnly,
    /// A relay loosens the TLP of its parents.
    RelayLoosensTlp,
    /// Two organisations are enough to hide a source among: `<=` for `<`.
    TwoCouldBeTheSource,
    /// A hidden organisation counts as one that could be the source.
    HiddenCouldBeTheSource,
    /// A source is told of a relay that goes to hidden organisations only.
    RelayToHiddenIsTold,
    /// A relay stands when one of its parents has fallen.
    RelayOutlivesItsParent,
    /// An approval holds for another text.
    AnyTextIsApproved,
    /// A receiver of an approved relay is told of the approval, and so of the source.
    ApprovalToldToReceivers,
    /// TLP:RED can be released.
    RedIsReleased,
    /// A release goes to whom its source has named with `no`.
    NamedNoIsReleasedTo,
    /// A release goes on after it was revoked.
    RevokedReleaseHolds,
    /// A release goes on after its class was withdrawn.
    WithdrawnClassHoldsReleases,
    /// A release goes on after its receiver was named with `no`.
    NamedNoHoldsReleases,
    /// A release goes on when its receiver leaves and comes back.
    ReleaseOutlivesDeparture,
    /// Nobody is told what a revoked release took back.
    RevocationWithoutNotice,
    /// A superseded message stays.
    SupersededStays,
    /// An edit reaches all that consent allows.
    EditReachesAll,
    /// An edit may loosen the TLP.
    EditLoosensTlp,
    /// An index that was withdrawn shows the message again when it is opened again.
    WithdrawnIndexRevives,
    /// Whoever knows the id of a recall can answer it.
    RecallAnsweredByAnybody,
    /// A question is answered twice.
    AskAnsweredTwice,
    /// The police answer doesn't matter.
    ForwardedWithoutPoliceAnswer,
    /// One person decides a legal disclosure alone.
    OnePersonDiscloses,
    /// A legal disclosure is told to its source while the law says that it is not.
    SuppressedDisclosureIsTold,
    /// The receipts of a source hold what it is not told of.
    ReceiptsTellSuppressed,
    /// A join is told of who is hidden.
    HiddenJoinIsTold,
    /// An attachment is shown to whom the message that carries it is not.
    AttachmentWithoutItsMessage,
    /// Who was given a file passes it on, on its own terms.
    SameFileOnLooserTerms,
    /// One person decides an erasure alone.
    OnePersonErases,
    /// A legal hold stops no erasure that was proposed before it.
    HeldIsErased,
    /// What is erased is shown to who could see what falls.
    ErasedIsShown,
}

#[cfg(feature = "danger")]
impl Mutant {
    /// All of them.
    pub const ALL: [Self; 39] = [
        Self::ExpiryOneLate,
        Self::WideningLooksBack,
        Self::UnknownNameIsNobody,
        Self::TermsEndNothing,
        Self::RedForColleagues,
        Self::RelayCheckedOnce,
        Self::RelayForgetsASource,
        Self::RelayForgetsRecipients,
        Self::RelayForgetsCoordinatorOnly,
        Self::RelayLoosensTlp,
        Self::TwoCouldBeTheSource,
        Self::HiddenCouldBeTheSource,
        Self::RelayToHiddenIsTold,
        Self::RelayOutlivesItsParent,
        Self::AnyTextIsApproved,
        Self::ApprovalToldToReceivers,
        Self::RedIsReleased,
        Self::NamedNoIsReleasedTo,
        Self::RevokedReleaseHolds,
        Self::WithdrawnClassHoldsReleases,
        Self::NamedNoHoldsReleases,
        Self::ReleaseOutlivesDeparture,
        Self::RevocationWithoutNotice,
        Self::SupersededStays,
        Self::EditReachesAll,
        Self::EditLoosensTlp,
        Self::WithdrawnIndexRevives,
        Self::RecallAnsweredByAnybody,
        Self::AskAnsweredTwice,
        Self::ForwardedWithoutPoliceAnswer,
        Self::OnePersonDiscloses,
        Self::SuppressedDisclosureIsTold,
        Self::ReceiptsTellSuppressed,
        Self::HiddenJoinIsTold,
        Self::AttachmentWithoutItsMessage,
        Self::SameFileOnLooserTerms,
        Self::OnePersonErases,
        Self::HeldIsErased,
        Self::ErasedIsShown,
    ];
}

/// Whether this mistake is made.
#[cfg(not(feature = "danger"))]
#[inline(always)]
pub(in crate::room) const fn is_on(_: Mutant) -> bool {
    false
}

#[cfg(feature = "danger")]
pub(in crate::room) use switch::is_on;
#[cfg(feature = "danger")]
pub use switch::switch_on;

#[cfg(feature = "danger")]
mod switch {
    use std::cell::Cell;

    use super::Mutant;

    std::thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Whether this mistake is made on this thread.
    pub(in crate::room) fn is_on(mutant: Mutant) -> bool {
        ON.get() == Some(mutant)
    }

    /// Makes this mistake on this thread from now on, and no other.
    pub fn switch_on(mutant: Option<Mutant>) {
        ON.set(mutant);
    }
}
