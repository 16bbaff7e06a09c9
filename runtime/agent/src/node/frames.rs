//! Frames over a stream: a length, then that many bytes. What they mean is the protocol's business.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The next frame's body, at most `bytes_max` long; `None` where the stream ends between frames. Takes memory as
/// bytes come, not as the length promises.
pub async fn read_frame<R: AsyncRead + Unpin>(from: &mut R, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if from.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..]).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > bytes_max {
        let why = format!("a message of {length} bytes is announced, the limit is {bytes_max}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body).await?;
    if body.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(body))
}

pub async fn write_frame<W: AsyncWrite + Unpin>(to: &mut W, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("a message above four gigabytes"))?;
    to.write_all(&length.to_be_bytes()).await?;
    to.write_all(body).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(read_frame(&mut bytes, 10))
    }

    #[test]
    fn frames() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut bytes = Vec::new();
        runtime.block_on(write_frame(&mut bytes, b"hello")).unwrap();
        assert_eq!(read(&bytes).unwrap().unwrap(), b"hello");
        assert!(read(b"").unwrap().is_none());
        assert!(read(&bytes[..3]).is_err());
        assert!(read(&bytes[..8]).is_err());
        assert!(read(&[0, 0, 0, 11]).is_err());
        assert!(read(&[0xff; 4]).is_err());
    }
}
