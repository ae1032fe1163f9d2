//! What records of a request have that say nothing else: `?service=` and `?level=`.

use std::sync::Arc;

use varve_types::Level;

use super::fault::Stop;
use super::record_reader::{check_level_text, check_service};
use crate::IngestError;

/// The service and level of records without.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    pub(super) service: Option<Arc<str>>,
    pub(super) level: Option<LevelAsSent>,
}

/// A level, and its spelling where that is not one that is known.
#[derive(Clone, Debug, Default)]
pub(super) struct LevelAsSent {
    pub(super) level: Level,
    pub(super) text: Option<Arc<str>>,
}

impl Defaults {
    /// Takes the parameters of a request. An empty level is none.
    ///
    /// # Errors
    ///
    /// Invalid when the service is empty or too long, or the level too long.
    pub fn new(service: Option<&str>, level: Option<&str>) -> Result<Self, IngestError> {
        if let Some(service) = service {
            check_service(0, service).map_err(Stop::into_parameter_error)?;
        }
        if let Some(level) = level {
            check_level_text(0, level).map_err(Stop::into_parameter_error)?;
        }
        let level =
            level.filter(|level| !level.is_empty()).map(|text| match Level::from_spelling(text) {
                Some(level) => LevelAsSent { level, text: None },
                None => LevelAsSent { level: Level::Unknown, text: Some(text.into()) },
            });
        Ok(Self { service: service.map(Arc::from), level })
    }
}
