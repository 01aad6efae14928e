//! Writes into the granted directory until it is told to stop: by a stream, by itself, and by size alone.

use crate::*;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    DescriptorFlags, ErrorCode, OpenFlags, PathFlags, filesystem_error_code,
};
use wasip2::io::streams::StreamError;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let directories = get_directories();
    let data = directories.iter().find(|(_, path)| path == "/data");
    let Some((data, _)) = data else {
        return Ok(Answer::Said("no directory".to_owned()));
    };
    let opened = data.open_at(
        PathFlags::empty(),
        "bomb",
        OpenFlags::CREATE,
        DescriptorFlags::WRITE,
    );
    let Ok(file) = opened else {
        return Ok(Answer::Said("no file".to_owned()));
    };
    let Ok(stream) = file.append_via_stream() else {
        return Ok(Answer::Said("no stream".to_owned()));
    };
    let mut written = 0;
    let streamed = loop {
        match stream.blocking_write_and_flush(&[7; 4096]) {
            Ok(()) => written += 1,
            Err(StreamError::LastOperationFailed(why)) => break filesystem_error_code(&why),
            Err(StreamError::Closed) => break None,
        }
    };
    let said = [
        streamed,
        file.write(&[7], 1 << 40).err(),
        file.set_size(1 << 40).err(),
        data.create_directory_at("sub").err(),
        data.create_directory_at("another").err(),
    ]
    .map(|why| match why {
        Some(ErrorCode::Quota) => "quota",
        Some(_) => "error",
        None => "allowed",
    });
    Ok(Answer::Said(format!("{written} {}", said.join(" "))))
}
