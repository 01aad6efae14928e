//! `wasi:filesystem` around the library's own: what changes a counted directory is admitted first and settled after;
//! everything else goes straight through.

use std::fs::File;
use std::io;
use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream,
    ErrorCode, Filesize, Host, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue,
    NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::Filed;
use super::quota::{Full, Growth, Quota};
use super::stream::{At, Growing, Writer};

/// The same descriptor once more: the library's functions take it and do not keep it.
fn again<T: 'static>(descriptor: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(descriptor.rep())
}

/// WASI's word for it.
fn refused(why: io::Error) -> FsError {
    match why.get_ref() {
        Some(inner) if inner.is::<Full>() => ErrorCode::Quota.into(),
        _ => why.into(),
    }
}

impl Filed<'_> {
    /// A file of a counted directory.
    fn counted(
        &self,
        descriptor: &Resource<Descriptor>,
    ) -> wasmtime::Result<Option<(Arc<Quota>, Arc<File>)>> {
        let Some(quota) = self.files.quota(descriptor) else {
            return Ok(None);
        };
        Ok(match self.library.table.get(descriptor)? {
            Descriptor::File(file) => Some((quota, Arc::clone(&file.file))),
            Descriptor::Dir(_) => None,
        })
    }

    /// Makes sure that a file may have so many bytes.
    async fn growing(quota: &Arc<Quota>, file: Arc<File>, size: u64) -> FsResult<Growing> {
        let change = quota.begin().await;
        let begin = move || Growing::begin(change, file, size);
        quota.place().run(begin).await.map_err(refused)
    }

    /// What is at a path, itself and not what it leads to.
    async fn there(
        &mut self,
        directory: &Resource<Descriptor>,
        path: &str,
    ) -> Option<DescriptorStat> {
        let (directory, flags) = (again(directory), PathFlags::empty());
        let found = self.library.stat_at(directory, flags, path.to_owned());
        found.await.ok()
    }

    /// Where a change goes on from one directory into another: both are counted as one, or not at all.
    fn both(
        &self,
        one: &Resource<Descriptor>,
        other: &Resource<Descriptor>,
    ) -> FsResult<Option<Arc<Quota>>> {
        match (self.files.quota(one), self.files.quota(other)) {
            (Some(one), Some(other)) if !one.is(&other) => Err(ErrorCode::CrossDevice.into()),
            (quota, _) => Ok(quota),
        }
    }

    fn stream(
        &mut self,
        descriptor: &Resource<Descriptor>,
        at: At,
    ) -> FsResult<Option<Resource<DynOutputStream>>> {
        let Some((quota, file)) = self.counted(descriptor).map_err(FsError::trap)? else {
            return Ok(None);
        };
        let writer: DynOutputStream = Box::new(Writer::new(file, quota, at));
        Ok(Some(self.library.table.push(writer)?))
    }
}

/// Files and directories, and nothing else: opening a pipe waits until somebody opens its other end, whatever time the
/// call has left, and a device is no file that anybody has granted.
fn openable(there: Option<&DescriptorStat>) -> FsResult<()> {
    match there.map(|found| found.type_) {
        None
        | Some(
            DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink,
        ) => Ok(()),
        Some(_) => Err(ErrorCode::Unsupported.into()),
    }
}

/// What a name's end frees.
fn freed(found: &DescriptorStat) -> u64 {
    match found.type_ {
        DescriptorType::Directory => 0,
        _ if found.link_count > 1 => 0,
        _ => found.size,
    }
}

impl Host for Filed<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.library.convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        let found = self.library.table.get(&error)?;
        let io = found.downcast_ref::<io::Error>();
        let inner = io.and_then(io::Error::get_ref);
        if matches!(inner, Some(inner) if inner.is::<Full>()) {
            return Ok(Some(ErrorCode::Quota));
        }
        self.library.filesystem_error_code(error)
    }
}

impl HostDescriptor for Filed<'_> {
    async fn set_size(&mut self, fd: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        let Some((quota, file)) = self.counted(&fd).map_err(FsError::trap)? else {
            return self.library.set_size(fd, size).await;
        };
        let growing = Self::growing(&quota, file, size).await?;
        let done = self.library.set_size(fd, size).await;
        growing.settle();
        done
    }

    async fn write(
        &mut self,
        fd: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: Filesize,
    ) -> FsResult<Filesize> {
        let Some((quota, file)) = self.counted(&fd).map_err(FsError::trap)? else {
            return self.library.write(fd, bytes, offset).await;
        };
        let end = offset.saturating_add(bytes.len() as u64);
        let growing = Self::growing(&quota, file, end).await?;
        let written = self.library.write(fd, bytes, offset).await;
        growing.settle();
        written
    }

    fn write_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        match self.stream(&fd, At::Offset(offset))? {
            Some(stream) => Ok(stream),
            None => self.library.write_via_stream(fd, offset),
        }
    }

    fn append_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        match self.stream(&fd, At::End)? {
            Some(stream) => Ok(stream),
            None => self.library.append_via_stream(fd),
        }
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let there = self.library.stat_at(again(&fd), path_flags, path.clone());
        openable(there.await.ok().as_ref())?;
        let Some(quota) = self.files.quota(&fd) else {
            let opened = self
                .library
                .open_at(fd, path_flags, path, open_flags, flags);
            return opened.await;
        };
        let creates = open_flags.contains(OpenFlags::CREATE);
        let mut change = quota.begin().await;
        // Once more: others had their turn before this one.
        let there = self.library.stat_at(again(&fd), path_flags, path.clone());
        let there = there.await.ok();
        if creates && there.is_none() {
            change = change.admitted(Growth::FILE).await.map_err(refused)?;
        }
        let opened = self
            .library
            .open_at(fd, path_flags, path, open_flags, flags);
        let opened = match opened.await {
            Ok(opened) => opened,
            Err(why) => {
                change.settle_unchanged();
                return Err(why);
            }
        };
        self.files.counted.insert(opened.rep(), quota);
        if let Descriptor::File(file) = self.library.table.get(&opened)? {
            change.track(&file.file);
        }
        match there {
            None if creates => change.settle(0, 1),
            Some(found) if open_flags.contains(OpenFlags::TRUNCATE) => {
                change.settle(0_i64.saturating_sub_unsigned(found.size), 0);
            }
            _ => change.settle_unchanged(),
        }
        Ok(opened)
    }

    async fn create_directory_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let Some(quota) = self.files.quota(&fd) else {
            return self.library.create_directory_at(fd, path).await;
        };
        let change = quota.begin_with(Growth::FILE).await.map_err(refused)?;
        let done = self.library.create_directory_at(fd, path).await;
        change.settle(0, i64::from(done.is_ok()));
        done
    }

    async fn symlink_at(
        &mut self,
        fd: Resource<Descriptor>,
        source: String,
        path: String,
    ) -> FsResult<()> {
        let Some(quota) = self.files.quota(&fd) else {
            return self.library.symlink_at(fd, source, path).await;
        };
        let bytes = source.len() as u64;
        let growth = Growth { bytes, files: 1 };
        let change = quota.begin_with(growth).await.map_err(refused)?;
        let done = self.library.symlink_at(fd, source, path).await;
        match done {
            Ok(()) => change.settle(i64::try_from(bytes).unwrap_or(i64::MAX), 1),
            Err(_) => change.settle_unchanged(),
        }
        done
    }

    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        new_fd: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        let Some(quota) = self.both(&fd, &new_fd)? else {
            let linked = self.library.link_at(fd, path_flags, path, new_fd, new_path);
            return linked.await;
        };
        let change = quota.begin_with(Growth::FILE).await.map_err(refused)?;
        let linked = self.library.link_at(fd, path_flags, path, new_fd, new_path);
        let done = linked.await;
        change.settle(0, i64::from(done.is_ok()));
        done
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
        new_fd: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        let Some(quota) = self.both(&fd, &new_fd)? else {
            return self.library.rename_at(fd, path, new_fd, new_path).await;
        };
        let change = quota.begin().await;
        let replaced = self.there(&new_fd, &new_path).await;
        let (from, to) = (again(&fd), again(&new_fd));
        // Two names of one file: POSIX lets both stay.
        let flags = PathFlags::empty();
        let moved = self.library.metadata_hash_at(from, flags, path.clone());
        let moved = moved.await.ok();
        let target = self.library.metadata_hash_at(to, flags, new_path.clone());
        let target = target.await.ok();
        let same = moved
            .zip(target)
            .is_some_and(|(a, b)| (a.lower, a.upper) == (b.lower, b.upper));
        let done = self.library.rename_at(fd, path, new_fd, new_path).await;
        match replaced {
            Some(replaced) if done.is_ok() && !same => change.settle_removed(freed(&replaced)),
            _ => change.settle_unchanged(),
        }
        done
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        let Some(quota) = self.files.quota(&fd) else {
            return self.library.unlink_file_at(fd, path).await;
        };
        let change = quota.begin().await;
        let there = self.there(&fd, &path).await;
        let done = self.library.unlink_file_at(fd, path).await;
        match there {
            Some(found) if done.is_ok() => change.settle_removed(freed(&found)),
            _ => change.settle_unchanged(),
        }
        done
    }

    async fn remove_directory_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        let Some(quota) = self.files.quota(&fd) else {
            return self.library.remove_directory_at(fd, path).await;
        };
        let change = quota.begin().await;
        let done = self.library.remove_directory_at(fd, path).await;
        change.settle(0, -i64::from(done.is_ok()));
        done
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.files.counted.remove(&fd.rep());
        HostDescriptor::drop(&mut self.library, fd)
    }

    async fn advise(
        &mut self,
        fd: Resource<Descriptor>,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        self.library.advise(fd, offset, length, advice).await
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.library.sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        self.library.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.library.get_type(fd).await
    }

    async fn set_times(
        &mut self,
        fd: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.library.set_times(fd, accessed, modified).await
    }

    async fn read(
        &mut self,
        fd: Resource<Descriptor>,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.library.read(fd, length, offset).await
    }

    async fn read_directory(
        &mut self,
        fd: Resource<Descriptor>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        self.library.read_directory(fd).await
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.library.sync(fd).await
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.library.stat(fd).await
    }

    async fn stat_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.library.stat_at(fd, flags, path).await
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let set = self
            .library
            .set_times_at(fd, flags, path, accessed, modified);
        set.await
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.library.readlink_at(fd, path).await
    }

    fn read_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        self.library.read_via_stream(fd, offset)
    }

    async fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        self.library.is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.library.metadata_hash(fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.library.metadata_hash_at(fd, flags, path).await
    }
}

impl HostDirectoryEntryStream for Filed<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.library.read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.library, stream)
    }
}
