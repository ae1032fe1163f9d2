//! The data directory: one server at a time.

use std::path::Path;
use std::sync::Arc;

use varve_env::Env;
use varve_env::disk::DiskLock;

use crate::NodeError;

/// Takes the data directory for this process, making it when it is not there.
///
/// # Errors
///
/// [`NodeError::DataDirInUse`] when another server has it.
pub(crate) async fn take(env: &Env, dir: &Path) -> Result<Box<dyn DiskLock>, NodeError> {
    let disk = Arc::clone(&env.disk);
    let dir = dir.to_owned();
    env.blocking
        .run(move || {
            disk.create_dir_all(&dir)
                .map_err(|source| NodeError::DataDir { dir: dir.clone(), source })?;
            disk.lock(&dir.join("LOCK")).map_err(|source| {
                if source.kind() == std::io::ErrorKind::WouldBlock {
                    NodeError::DataDirInUse { dir }
                } else {
                    NodeError::DataDir { dir, source }
                }
            })
        })
        .await
}
