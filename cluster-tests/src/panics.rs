//! Panics inside a simulation: a runtime or a library may swallow one, the test must not.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

/// Thrown where a node's process would end: the harness then takes the node down.
pub(crate) struct ProcessEnd;

thread_local! {
    static FIRST: RefCell<Option<String>> = const { RefCell::new(None) };
}

static INSTALL: Once = Once::new();

/// From now on panics of this thread are kept.
pub(crate) fn watch() {
    INSTALL.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<ProcessEnd>() {
                keep(info);
                before(info);
            }
        }));
    });
    FIRST.set(None);
}

/// The first panic on this thread since [`watch`], if there was one.
pub(crate) fn first() -> Option<String> {
    FIRST.with_borrow(Clone::clone)
}

fn keep(info: &PanicHookInfo<'_>) {
    let _gone = FIRST.try_with(|first| {
        if let Ok(mut first) = first.try_borrow_mut()
            && first.is_none()
        {
            let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
            let what = info.payload_as_str().unwrap_or("something that is not text");
            *first = Some(format!("a panic{place}: {what}"));
        }
    });
}
