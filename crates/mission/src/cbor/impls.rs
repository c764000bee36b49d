//! Encodings of numbers, options and collections.

use std::collections::{BTreeMap, BTreeSet};

use super::{Canonical, DecodeError, Reader, Refusal, Writer};
use crate::error::strictly_increasing;

impl Canonical for u64 {
    fn write(&self, writer: &mut Writer) {
        writer.unsigned(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.unsigned()
    }
}

macro_rules! narrow {
    ($($type:ty),+) => { $(
        impl Canonical for $type {
            fn write(&self, writer: &mut Writer) {
                writer.unsigned(u64::from(*self));
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let at = reader.offset();
                <$type>::try_from(reader.unsigned()?).map_err(|_| {
                    reader.refuse(at, Refusal::OutOfRange {
                        least: 0,
                        most: <$type>::MAX.into(),
                    })
                })
            }
        }
    )+ };
}
narrow!(u8, u16, u32);

impl Canonical for i64 {
    fn write(&self, writer: &mut Writer) {
        writer.signed(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.signed()
    }
}

impl<T: Canonical> Canonical for Option<T> {
    fn write(&self, writer: &mut Writer) {
        match self {
            Some(value) => value.write(writer),
            None => writer.null(),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.take_null()? {
            Ok(None)
        } else {
            T::read(reader).map(Some)
        }
    }
}

impl<T: Canonical> Canonical for Vec<T> {
    fn write(&self, writer: &mut Writer) {
        writer.array(self.len(), |writer| {
            for item in self {
                item.write(writer);
            }
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.list(T::read)
    }
}

impl<T: Canonical + Ord> Canonical for BTreeSet<T> {
    fn write(&self, writer: &mut Writer) {
        writer.array(self.len(), |writer| {
            for item in self {
                item.write(writer);
            }
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        let items = reader.list(T::read)?;
        reader.check(at, strictly_increasing("set", &items))?;
        Ok(items.into_iter().collect())
    }
}

impl<K: Canonical + Ord, V: Canonical> Canonical for BTreeMap<K, V> {
    fn write(&self, writer: &mut Writer) {
        writer.map(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(reader.map()?.into_iter().collect())
    }
}
