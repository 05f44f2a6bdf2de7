/**
 * A Leshan management or bootstrap server for interoperability tests, driven by lines of JSON on stdin and reporting
 * in lines of JSON on stdout. One class per concern; {@link io.holdfast.interop.Main} is the entry point.
 */
package io.holdfast.interop;
