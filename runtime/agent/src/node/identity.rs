//! Who the node is: an id and a secret that it makes itself, once, and keeps. The controller that accepted it
//! with a token knows it by them from then on.

use std::path::Path;

use dscript_protocol::folder::write_private;
use dscript_protocol::ids::random_bytes;
use dscript_protocol::{NodeId, Secret};
use serde::{Deserialize, Serialize};

pub struct Identity {
    pub node: NodeId,
    pub secret: Secret,
}

#[derive(Serialize, Deserialize)]
struct File {
    node: String,
    secret: String,
}

impl Identity {
    pub fn load_or_make(path: &Path) -> Result<Self, String> {
        match std::fs::read(path) {
            Ok(bytes) => Self::read(&bytes).ok_or_else(|| {
                format!("{} is damaged: move it away, and join anew with --token", path.display())
            }),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                let made =
                    Self::make().map_err(|why| format!("the kernel gives no random numbers: {why}"))?;
                let file = File { node: made.node.to_string(), secret: made.secret.0.clone() };
                let text = serde_json::to_vec_pretty(&file).map_err(|why| why.to_string())?;
                write_private(path, &text)
                    .map_err(|why| format!("cannot write {}: {why}", path.display()))?;
                Ok(made)
            }
            Err(why) => Err(format!("cannot read {}: {why}", path.display())),
        }
    }

    fn make() -> std::io::Result<Self> {
        Ok(Self { node: NodeId(u128::from_be_bytes(random_bytes()?)), secret: Secret::new(random_bytes()?) })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let file: File = serde_json::from_slice(bytes).ok()?;
        let node = NodeId(u128::from_str_radix(&file.node, 16).ok()?);
        (file.secret.len() == 64).then_some(Self { node, secret: Secret(file.secret) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity");
        let made = Identity::load_or_make(&path).unwrap();
        let again = Identity::load_or_make(&path).unwrap();
        assert_eq!((made.node, made.secret), (again.node, again.secret));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "{}").unwrap();
        assert!(Identity::load_or_make(&path).is_err());
    }
}
