//! The wire and JSON forms of types that are a text.

/// Implements the canonical encoding, serde and the schema of a type with
/// `FromStr<Err = Invalid>` and `Display`: its text.
macro_rules! text_form {
    ($type:ident, $schema:expr) => {
        impl $crate::Canonical for $type {
            fn write(&self, writer: &mut $crate::cbor::Writer) {
                writer.text(&self.to_string());
            }

            fn read(
                reader: &mut $crate::cbor::Reader<'_>,
            ) -> Result<Self, $crate::cbor::DecodeError> {
                let at = reader.offset();
                let text = reader.text()?;
                reader.check(at, text.parse())
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}
pub(crate) use text_form;
